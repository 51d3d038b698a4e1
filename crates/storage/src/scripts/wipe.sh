# shellcheck shell=bash disable=SC2154
# Erases the keys of a volume and removes it. Every stage leaves the volume such that the next run finds it ours and goes on: the header's
# token outlives its key slots, and the LV goes last. mapping.sh, header.sh and manifest.sh stand ahead.
# guard
lvs "$group/$name" > /dev/null 2>&1 || already
read_tags
case $tags in
  *,"$volume",*) ;;
  *) refuse "$group/$name has no tag that says that kubestead made it; if it did: lvchange --addtag $volume $group/$name" ;;
esac
dump() {
  (
    copy_header
    cryptsetup luksDump --dump-json-metadata "$t/header" | tr -d ' \n\t'
  )
}
header=$(dump) || refuse 'its header does not load'
case $header in
  *"\"type\":\"$token\""*) ;;
  *) refuse 'its header has no token of ours' ;;
esac
case $header in
  *"\"volume\":\"$name\""*) ;;
  *) refuse 'the token in its header names another volume' ;;
esac
opened=/dev/mapper/$mapper
own_mapping
no_other_holder
others=$(findmnt -rn -S "$opened" -o TARGET | grep -vxF "$path" || true)
[ -z "$others" ] || refuse "it is mounted elsewhere too: $others"
share=/etc/kubestead/share.d/$name
[ ! -L "$share" ] || refuse "$share is a link"
# act
stop() {
  printf '%s\n' "$*" >&2
  exit 1
}
drop() {
  local file=$1 condition=$2 new
  [ -f "$file" ] || return 0
  new=$(mktemp "$file.XXXXXX")
  awk -v "mapper=$mapper" "!($condition)" "$file" > "$new"
  chmod --reference="$file" "$new"
  chown --reference="$file" "$new"
  sync "$new"
  mv -fT "$new" "$file"
}
case $path/ in
  /var/lib/containerd/*) systemctl stop kubelet containerd 2> /dev/null || true ;;
  /var/lib/kubelet/*) systemctl stop kubelet 2> /dev/null || true ;;
esac
if findmnt -M "$path" > /dev/null; then
  umount "$path" || stop "$path is in use"
fi
systemctl stop "$unlock" "kubestead-key-$name.socket" 2> /dev/null || true
if [ -b "$opened" ]; then
  cryptsetup close "$mapper" || stop "$mapper is in use"
fi
if findmnt -rn -S "$opened" > /dev/null; then stop "$mapper is mounted"; fi
real=$(readlink -f "$device")
holders=/sys/class/block/${real##*/}/holders
[ -d "$holders" ] && [ -z "$(ls "$holders")" ] || stop "$device is in use"
exec {lock}< "$real"
flock -n "$lock" || stop "$device is locked by another program"
drop /etc/crypttab '$1 == mapper && index($0, "/run/kubestead/")'
drop /etc/fstab '$1 == "/dev/mapper/" mapper'
# A unit that somebody changed is kept as a copy.
for file in "${files[@]}"; do
  if [ -f "$file" ] && [ ! -L "$file" ] && ! recorded "$(sum_of "$file")" "$file"; then keep_copy "$file"; fi
done
rm -f "${files[@]}"
strike "${files[@]}"
[ ! -d "/etc/systemd/system/$unlock.d" ] || rmdir --ignore-fail-on-non-empty "/etc/systemd/system/$unlock.d"
systemctl daemon-reload
if [ -f "$share" ]; then
  shred -n 1 -u "$share"
  sync /etc/kubestead/share.d
fi
cryptsetup erase -q "$device"
sync
case $(dump) in
  *'"keyslots":{}'*) ;;
  *) stop 'a key slot is still there' ;;
esac
exec {lock}<&-
lvremove -q -y "$group/$name"
# verify
if lvs "$group/$name" > /dev/null 2>&1; then unverified 'the LV is still there'; fi
