# shellcheck shell=bash disable=SC1090,SC1091
# The plain commands whose answers a plan of a node needs: no framing, no parsing.
. /etc/os-release; for p in lvm cryptsetup wipefs findmnt mkfs.ext4 mkfs.xfs ssh-keygen; do command -v $p; done; date +%s; df --output=avail -B1 /
lvm fullreport --reportformat json --units b --nosuffix --configreport vg -o vg_name,vg_extent_size,vg_free,vg_missing_pv_count \
  --configreport lv -o vg_name,lv_name,lv_size,lv_tags --configreport pv -o pv_name,vg_name --configreport pvseg -o, --configreport seg -o,
findmnt -rn -o TARGET,SOURCE; cat /etc/crypttab /etc/fstab
sha256sum /usr/local/lib/kubestead/fetch /etc/kubestead/servers /etc/systemd/system/kubestead-key-* /etc/systemd/system/*/10-kubestead.conf \
  /etc/kubestead/ssh_config /etc/kubestead/known_hosts
for d in /dev/disk/by-id/ubd-*; do
  r=$(readlink -f $d) s=/sys/class/block/${r##*/}
  cat $s/size; ls $s/holders; findmnt -rn -S $r -o TARGET; wipefs -n --json $r
done
for d in /dev/vg01/*; do
  ls -A /var/lib/kubelet; stat -c %s /etc/kubestead/share.d/${d##*/}; blkid -p -o value -s TYPE /dev/mapper/luks-${d##*/}; wipefs -n --json $d
  t=$(mktemp -d /run/floor.XXXXXX)
  for c in 0 1; do
    dd if=$d of=$t/$c bs=16384 skip=$c seek=$c count=1 status=none
    truncate -s 16M $t/$c; cryptsetup luksDump --dump-json-metadata $t/$c
  done
  rm -rf $t
done
systemctl list-units --all --plain --no-legend --type=swap; lsblk -rno PATH,PARTTYPE; grep -lE '^ExecStart.*(swapon|zram)' /etc/systemd/system/*.wants/*.service
systemctl show -P MainPID kubelet containerd; cat /etc/kubestead/files; ssh-keygen -y -P '' -f /etc/kubestead/id_ed25519; ls /etc/cni/net.d
cat /etc/kubernetes/pki/*.crt /etc/kubernetes/pki/etcd/*.crt
grep client-certificate-data /etc/kubernetes/*.conf; grep image: /etc/kubernetes/manifests/kube-apiserver.yaml
find /var/lib/kubestead/volumes -mindepth 1 -maxdepth 1 -type d; cat /etc/kubestead/id_ed25519.pub
cat /proc/sys/kernel/hostname /proc/swaps; stat -fc %T /sys/fs/cgroup
cat /proc/filesystems /proc/sys/net/bridge/bridge-nf-call-ip*tables /proc/sys/net/ipv4/ip_forward
sha256sum /etc/modules-load.d/kubestead.conf /etc/sysctl.d/zz-kubestead.conf /etc/containerd/config.toml /etc/systemd/system/containerd.service \
  /etc/systemd/system/kubelet.service /etc/systemd/system/kubelet.service.d/10-kubeadm.conf
cat /var/lib/kubestead/installed; stat -c '%s %Y %n' /usr/local/bin/* /opt/cni/bin/*
systemctl is-active containerd; systemctl is-enabled kubelet; systemctl is-active kubelet; ctr -n k8s.io images ls -q
cat /proc/sys/kernel/random/boot_id; ls /run/containerd/io.containerd.runtime.v2.task/k8s.io
cat /etc/kubestead/cluster; ls /etc/kubernetes/manifests /etc/kubernetes/kubelet.conf /etc/kubernetes/enc
sha256sum /etc/kubernetes/enc/enc.yaml; grep mountPath /etc/kubernetes/manifests/kube-apiserver.yaml; command -v etcdctl etcdutl
openssl x509 -pubkey -noout -in /etc/kubernetes/pki/ca.crt | openssl pkey -pubin -outform DER | sha256sum; ss -Hltn
for m in /dev/mapper/luks-*; do
  blockdev --getsize64 $m
  case $(blkid -p -o value -s TYPE $m) in ext4) dumpe2fs -h $m;; xfs) xfs_db -r -c 'sb 0' -c 'p dblocks blocksize' $m;; esac
done
c=/etc/kubernetes/admin.conf
if [ -s $c ]; then
  pem() { awk -v k="$1:" '$1 == k { print $2 }' $c | base64 -d; }
  for p in /readyz /api/v1/nodes /apis/apps/v1/namespaces/kube-system/{daemonsets,deployments} /api/v1/namespaces/kube-{system,flannel}/pods \
    /api/v1/{namespaces,secrets,persistentvolumes,serviceaccounts,configmaps,limitranges} \
    /apis/rbac.authorization.k8s.io/v1/{roles,rolebindings,clusterroles,clusterrolebindings} /apis/storage.k8s.io/v1/storageclasses /apis/apps/v1/daemonsets; do
    echo "url = https://kubernetes:6443$p?labelSelector=app.kubernetes.io%2Fmanaged-by%3Dkubestead"
  done | curl -s --resolve kubernetes:6443:127.0.0.1 --cacert <(pem certificate-authority-data) \
    --cert <(pem client-certificate-data) --key <(pem client-key-data) -K -
fi
