#!/bin/bash
# inside.sh USER COMMAND...: in namespaces of its own: makes the root of a container of $IMAGE, with what $PODS has for the end $END, and runs the command in it as the
# user, without any right. An end without a folder in $PODS/volumes has no volume.
set -euo pipefail
user=$1; shift
mount -t tmpfs -o mode=755 tmpfs /mnt
root=/mnt/root
mkdir "$root"
mount --bind "$IMAGE" "$root"
mount -o remount,bind,ro "$root"
mount -t tmpfs tmpfs "$root/tmp"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --bind "$PODS/config" "$root/sync"
mount --bind "$PODS/hooks" "$root/hooks"
mount --bind "$PODS/keys/$END" "$root/key"
mount --bind "$PODS/config/passwd" "$root/etc/passwd"
if [ -d "$PODS/volumes/$END" ]; then mount --bind "$PODS/volumes/$END" "$root/data"; fi
path=/usr/sbin:/usr/bin:/sbin:/bin
if [ -n "${LATE:-}" ]; then
  mkdir "$root/tmp/late"
  printf '#!/bin/sh\nexec /bin/date -d "-1 hour" "$@"\n' > "$root/tmp/late/date"
  chmod 755 "$root/tmp/late/date"
  path=/tmp/late:/usr/sbin:/usr/bin:/sbin:/bin
fi
# Not in the place of this process: it is ended with whoever started it, which a process that becomes another user no longer is.
status=0
chroot "$root" env -i PATH="$path" setpriv --reuid="$user" --regid="$user" --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all "$@" || status=$?
exit "$status"
