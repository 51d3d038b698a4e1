#!/bin/bash
# pods.sh VERB ...: the containers of the sync, on this computer: the image's files as their root, read-only, with a volume, the ConfigMap and a key, as a user who
# is nobody else. All of it lies in $PODS, the image's files in $IMAGE, and the scripts in $SYNC are those that the ConfigMap has.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
: "${PODS:?}" "${SYNC:?}" "${IMAGE:?}"
# Without root, in a user namespace, where the user below is one of those that /etc/subuid gives.
if [ "$(id -u)" != 0 ]; then exec unshare --map-root-user --map-auto bash "$0" "$@"; fi
user=1000

# make SPOKE...: keys, the ConfigMap and empty volumes, of the hub and of the spokes.
make() {
  local end key
  mkdir -p "$PODS/config" "$PODS/hooks"
  install -m 644 "$SYNC"/*.sh "$SYNC/sshd_config" "$SYNC/ssh_config" "$PODS/config/"
  printf 'HUB=127.0.0.1\nMOST_DELETED=50\nKEEP_DAYS=30\nLONGEST=60\nMOST_SKEW=60\n' > "$PODS/config/settings.sh"
  printf 'Name *.lock\nPath cache\n' > "$PODS/config/exclude"
  printf 'root:x:0:0:root:/:/bin/sh\nsync:x:%s:%s:sync:/tmp:/bin/sh\n' "$user" "$user" > "$PODS/config/passwd"
  : > "$PODS/config/authorized_keys"
  for end in hub "$@"; do
    mkdir -p "$PODS/keys/$end"
    blank "$end"
    ssh-keygen -q -t ed25519 -N '' -C "$end" -f "$PODS/keys/$end/ssh-privatekey"
    key=$(cut -d' ' -f1,2 "$PODS/keys/$end/ssh-privatekey.pub")
    if [ "$end" = hub ]; then
      printf 'hub %s\n' "$key" > "$PODS/config/known_hosts"
    else
      printf 'restrict,command="/bin/bash /sync/serve.sh %s" %s\n' "$end" "$key" >> "$PODS/config/authorized_keys"
    fi
    # As a Secret has it: root's, and readable for the group.
    chown "root:$user" "$PODS/keys/$end/ssh-privatekey"
    chmod 440 "$PODS/keys/$end/ssh-privatekey"
  done
}

# blank END: another volume, which is empty, in the place of the one that is there, which is kept.
blank() {
  if [ -d "$PODS/volumes/$1" ]; then mkdir -p "$PODS/kept"; rm -rf "$PODS/kept/$1"; mv "$PODS/volumes/$1" "$PODS/kept/$1"; fi
  install -d -o "$user" -g "$user" "$PODS/volumes/$1"
}

# unmounted END: no volume.
unmounted() { blank "$1"; rmdir "$PODS/volumes/$1"; }

# back END: the one that was kept.
back() { rm -rf "${PODS:?}/volumes/$1"; mv "$PODS/kept/$1" "$PODS/volumes/$1"; }

# older END: what a volume is now, as it will be put back by `back`.
older() { mkdir -p "$PODS/kept"; rm -rf "$PODS/kept/$1"; cp -a "$PODS/volumes/$1" "$PODS/kept/$1"; }

# The container of an end, as the kubelet has it, in the place of this process: whoever kills it kills all of it.
inside() {
  local end=$1; shift
  export END=$end
  exec unshare --mount --pid --fork --kill-child bash "$here/inside.sh" "$user" "$@"
}

# hub: the hub, until it is ended.
hub() { inside hub /usr/sbin/sshd -D -e -f /sync/sshd_config; }
# up: whether it listens.
up() { : < /dev/tcp/127.0.0.1/2222; }
# round SPOKE
round() { inside "$1" timeout 120 bash /sync/round.sh "$1"; }
# late SPOKE: a round on a machine whose clock is an hour behind.
late() { LATE=yes inside "$1" timeout 120 bash /sync/round.sh "$1"; }
# consent WORD SPOKE
consent() { inside hub bash /sync/consent.sh "$1" "$2"; }
# ask SPOKE WORDS [OPTION...]: what a spoke may be made to ask for, by whoever has its key. Standard input goes along.
ask() {
  local spoke=$1 words=$2; shift 2
  inside "$spoke" timeout 20 ssh -F /sync/ssh_config "$@" 127.0.0.1 "$words"
}
# hostile SPOKE: asks for what is none of a spoke's business; nothing of it may be done.
hostile() {
  local words
  for words in 'sh -c id' /bin/sh '' 'unison -server; id' 'hello $(id)' 'hello new; id' 'scp -t /data' internal-sftp; do
    if (ask "$1" "$words" < /dev/null); then
      echo "it was done: $words"
      return 1
    fi
  done
}
# impostor: another host in the place of the hub, as the spokes see it: the key is not the one that they know.
impostor() { sed -i "s|^hub .*|hub $(cut -d' ' -f1,2 "$PODS/keys/$1/ssh-privatekey.pub")|" "$PODS/config/known_hosts"; }
# hook WHEN fails | tells
hook() {
  case $2 in
    fails) echo 'exit 1' ;;
    tells) echo "echo $1 at \$SYNC_END" ;;
  esac > "$PODS/hooks/$1"
}
# files FUNCTION END ...: as the user whose the files are.
files() { setpriv --reuid="$user" --regid="$user" --clear-groups bash "$here/files.sh" "$@"; }
# gone: nothing is left, also of what belongs to another user.
gone() { rm -rf "${PODS:?}"; }

"$@"
