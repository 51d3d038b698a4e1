# shellcheck shell=bash disable=SC2154
# A copy of etcd, in `folder`/kubestead/`name`.db, that is whole or not there, and that etcdutl has read through. After etcd.sh.
# guard
copies=$folder/kubestead
copy=$copies/$name.db
part=$copies/.$name.part
umask 077
mkdir -p "$copies"
chmod 0700 "$copies"
rm -f "$part" "$part.part"
size=$(stat -c %s "$folder/member/snap/db")
free=$(df --output=avail -B1 "$copies" | tail -n 1)
[ "$free" -gt $((size + size / 4 + 16777216)) ] \
  || refuse "a copy of etcd needs $size bytes and a quarter more, and $free are free in $copies: remove old copies there, or let the volume grow"
# act
etcd snapshot save "$part" > /dev/null
etcdutl snapshot status "$part" -w json > /dev/null
sync "$part"
mv -fT "$part" "$copy"
sync "$copies"
# verify
[ "$(stat -c '%a %U' "$copy")" = '600 root' ] || unverified "$copy is open to others"
etcdutl snapshot status "$copy" -w json | grep -q '"totalKey":[1-9]' || unverified "$copy holds nothing"
