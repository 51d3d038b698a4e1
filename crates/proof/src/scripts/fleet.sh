#!/bin/bash
# Functions of machine.sh for machines of a fleet: a disk behind multipath, a key server whose disk hangs, many addresses.
shares=/var/lib/kubestead-keys

is_debian() { . /usr/lib/os-release; [ "$ID-$VERSION_ID" = "debian-$1" ]; }
# A path of multipath is a disk, and its map carries the UUID `mpath-` and the WWID; here multipathd is a unit that makes the map of DISK at boot.
map_by_multipath() {
  local disk=$1
  cat > /usr/local/sbin/lab-map <<MAP
#!/bin/sh
exec dmsetup create mpatha --uuid mpath-lab-kube1 --table "0 \$(blockdev --getsz $disk) linear $disk 0"
MAP
  chmod 755 /usr/local/sbin/lab-map
  cat > /etc/systemd/system/lab-map.service <<'UNIT'
[Unit]
DefaultDependencies=no
After=systemd-udev-settle.service
Wants=systemd-udev-settle.service
Before=local-fs-pre.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/sbin/lab-map
[Install]
WantedBy=sysinit.target
UNIT
  # What multipath-tools' own rules say of a path: it is nobody else's.
  printf 'KERNEL=="ubd*", ATTR{serial}=="%s", ENV{DM_MULTIPATH_DEVICE_PATH}="1", ENV{ID_FS_TYPE}="mpath_member"\n' "${disk##*/ubd-}" \
    > /etc/udev/rules.d/61-lab-map.rules
  udevadm control --reload
  # LVM knows a path by itself where it is a SCSI or NVMe disk, which the lab's are not: its configuration says it.
  echo 'devices { global_filter = [ "r|^/dev/ubd|" ] }' > /etc/lvm/lvmlocal.conf
  systemctl enable -q --now lab-map.service
  udevadm settle
}
# physical_volume_is DEVICE: the one that the group vg01 lies on.
physical_volume_is() { [ "$(pvs --noheadings -o pv_name -S vg_name=vg01 | tr -d ' ')" = "$1" ]; }
# systemd's part that opens volumes is a package of its own in Debian 13, and nothing that is there asks for it.
no_cryptsetup() { mv /usr/lib/systemd/systemd-cryptsetup /root/; }
cryptsetup_again() { mv /root/systemd-cryptsetup /usr/lib/systemd/; }

# The folder of shares on a device of its own, so that it can hang.
shares_on() {
  dmsetup create shares --table "0 $(blockdev --getsz "$1") linear $1 0"
  mkfs.xfs -q /dev/mapper/shares
  mkdir -p "$shares"
  mount /dev/mapper/shares "$shares"
}
# What is in memory would be read all the same.
hang_shares() { sync; dmsetup suspend shares; echo 3 > /proc/sys/vm/drop_caches; }
fetches() { [ "$(/usr/local/lib/kubestead/fetch "$1" | wc -c)" = 128 ]; }
in_the_journal() { journalctl -b -o cat > /run/journal; grep -qF -- "$1" /run/journal; }
sshd_says() { sshd -T > /run/probe; grep -q "$1" /run/probe; }
no_penalties() { journalctl --sync; journalctl -u ssh -o cat > /run/journal; ! grep -i penalt /run/journal; }

# more_addresses COUNT BEGIN: addresses from 10.77.0.BEGIN+1 on, until the next boot.
more_addresses() {
  local i
  for i in $(seq 1 "$1"); do ip addr add "10.77.0.$(($2 + i))/24" dev "$(device)"; done
}
