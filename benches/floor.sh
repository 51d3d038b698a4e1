# The plain commands whose answers a plan of a node needs: no framing, no parsing.
. /etc/os-release; for p in lvm cryptsetup wipefs findmnt mkfs.ext4 mkfs.xfs ssh-keygen; do command -v $p; done; date +%s; df --output=avail -B1 /
lvm fullreport --reportformat json --units b --nosuffix --configreport vg -o vg_name,vg_extent_size,vg_free,vg_missing_pv_count --configreport lv -o vg_name,lv_name,lv_size,lv_tags --configreport pv -o pv_name,vg_name --configreport pvseg -o, --configreport seg -o,
findmnt -rn -o TARGET,SOURCE; cat /etc/crypttab /etc/fstab
sha256sum /usr/local/lib/kubestead/fetch /etc/kubestead/servers /etc/systemd/system/kubestead-key-* /etc/systemd/system/*/10-kubestead.conf /etc/kubestead/ssh_config /etc/kubestead/known_hosts
for d in /dev/disk/by-id/ubd-*; do r=$(readlink -f $d); ls /sys/class/block/${r##*/}/holders; findmnt -rn -S $r -o TARGET; wipefs -n --json $r; done
for d in /dev/vg01/*; do
  ls -A /var/lib/kubelet; stat -c %s /etc/kubestead/share.d/${d##*/}; blkid -p -o value -s TYPE /dev/mapper/luks-${d##*/}; wipefs -n --json $d
  t=$(mktemp -d /run/floor.XXXXXX); for c in 0 1; do dd if=$d of=$t/$c bs=16384 skip=$c seek=$c count=1 status=none; truncate -s 16M $t/$c; cryptsetup luksDump --dump-json-metadata $t/$c; done; rm -rf $t
done
find /var/lib/kubestead/volumes -mindepth 1 -maxdepth 1 -type d; cat /etc/kubestead/id_ed25519.pub
