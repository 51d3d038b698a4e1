# shellcheck shell=bash disable=SC2154
# kubeadm join, with its configuration on standard input. `leftovers` stands ahead of this text.
# guard
healthy() {
  [ -s /etc/kubernetes/kubelet.conf ] && systemctl is-active -q kubelet && [ "$(curl -s http://127.0.0.1:10248/healthz)" = ok ]
}
own_ca() {
  openssl x509 -pubkey -noout -in /etc/kubernetes/pki/ca.crt | openssl pkey -pubin -outform DER | sha256sum | cut -d' ' -f1
}
if [ -e "$begun" ]; then
  if healthy; then
    sync -f /etc/kubernetes /var/lib/kubelet
    rm "$begun"
    already
  fi
  systemctl stop kubelet
  rm -f /etc/kubernetes/kubelet.conf /etc/kubernetes/bootstrap-kubelet.conf /etc/kubernetes/pki/ca.crt
elif [ -e /etc/kubernetes/kubelet.conf ]; then
  if [ "$(own_ca)" = "$ca" ] && healthy; then
    already
  fi
  refuse 'it is a node of another cluster, or its kubelet is not healthy'
else
  left=$(leftovers)
  [ -z "$left" ] || refuse "an earlier cluster left $left"
fi
# act
touch "$begun"
sync "$begun"
# The top of a volume is everybody's to read.
[ ! -d /var/lib/etcd ] || chmod 0700 /var/lib/etcd
umask 077
trap 'rm -f "$config"' EXIT
cat > "$config"
kubeadm join --config "$config" > /dev/null
# verify
healthy || unverified 'the kubelet is not healthy'
sync -f /etc/kubernetes /var/lib/kubelet
rm "$begun"
sync /etc/kubestead
