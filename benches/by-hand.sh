#!/bin/bash
# by-hand.sh CONFIG BUNDLE PLAN: the cluster of examples/three-nodes typed into a script: plain ssh, lvm, cryptsetup, mkfs, ctr, kubeadm and kubectl on
# machines that hold nothing; no checks, no key server, keys in files. It is the floor of benches/up.sh. PLAN is what `kubestead plan --output json` says
# of these machines: the files and manifests are taken from there, so that both make the same cluster.
set -euo pipefail
config=$1 bundle=$2 plan=$3
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
on() { host=$1; shift; ssh -F "$config" "$host" "$@"; }

# A tree of files a node, and the manifests.
python3 - "$plan" "$bundle" "$work" <<'PY'
import json, pathlib, sys
plan, bundle, work = json.load(open(sys.argv[1])), sys.argv[2], pathlib.Path(sys.argv[3])
manifests = []
def walk(value, node):
    if isinstance(value, dict):
        if {"path", "text", "mode"} <= value.keys():
            path = work / node / value["path"].lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(value["text"]); path.chmod(value["mode"])
        for inner in value.values():
            walk(inner, node)
    elif isinstance(value, list):
        for inner in value:
            walk(inner, node)
for step in plan["steps"]:
    target, object_, deed = step["id"].split("/")
    if target == "cluster" and deed == "apply":
        manifests += next(iter(next(iter(step["action"].values())).values()))["manifests"]
    elif (object_, deed) in [("kernel", "settings"), ("containerd", "run"), ("kubelet", "unit")]:
        walk(step["action"], target)
# Flannel's configuration goes where its own notes put it: who types has no unit that brings it there later.
for pod in (m["spec"]["template"]["spec"] for m in manifests if m["kind"] == "DaemonSet"):
    conf, to = pod["initContainers"][-1], "/etc/cni/net.d"
    conf["args"][-1] = f"{to}/10-flannel.conflist"
    conf["volumeMounts"].append({"name": "cni", "mountPath": to})
    pod["volumes"].append({"name": "cni", "hostPath": {"path": to, "type": "DirectoryOrCreate"}})
(work / "manifests.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests}))
for role in ("control-plane", "worker"):
    files = [f for f in json.load(open(f"{bundle}/bundle.json"))["files"] if role in f["roles"]]
    for kind in ("binary", "cni", "image"):
        (work / f"{role}.{kind}").write_text("".join(f["path"] + "\n" for f in files if f["kind"] == kind))
PY

# volume NAME SIZE FILESYSTEM PATH, on a node.
volumes='
volume() {
  lvcreate -q -y -Wy -n "$1" -L "$2" vg01; d=/dev/vg01/$1 k=/run/key.$1
  head -c 128 /dev/urandom > "$k"
  cryptsetup luksFormat -q --type luks2 --key-slot 0 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --key-file "$k" "$d"
  head -c 32 /dev/urandom | base64 | cryptsetup luksAddKey -q --key-file "$k" --key-slot 7 \
    --pbkdf argon2id --pbkdf-memory 16384 --pbkdf-parallel 1 --pbkdf-force-iterations 4 "$d" -
  cryptsetup open --key-file "$k" "$d" "luks-$1"
  case $3 in ext4) mkfs.ext4 -q -F -m 0 "/dev/mapper/luks-$1";; xfs) mkfs.xfs -q -f "/dev/mapper/luks-$1";; esac
  mkdir -p "$4"; mount "/dev/mapper/luks-$1" "$4"; rm -rf "$4/lost+found"
}'
prepare() { # prepare NODE ROLE
  node=$1 role=$2
  { echo "set -e; vgcreate -q vg01 /dev/disk/by-id/ubd-$node-data > /dev/null; $volumes"
    if [ "$role" = control-plane ]; then echo 'volume etcd 1G ext4 /var/lib/etcd; volume kubernetes 128M ext4 /etc/kubernetes'; fi
    echo 'volume containerd 3G ext4 /var/lib/containerd; volume kubelet 1G ext4 /var/lib/kubelet'
    if [ "$role" = worker ]; then
      echo 'volume volkube 2G xfs /var/lib/kubestead/volumes'
      echo 'mkdir /var/lib/kubestead/volumes/{pool-s-0001,pool-s-0002,pool-m-0001,share}'
    fi
  } | on "$node" bash -s
  tar -C "$bundle" -cf - -T "$work/$role.binary" | on "$node" "tar -C /usr/local/bin --strip-components=1 -xf -"
  tar -C "$bundle" -cf - -T "$work/$role.cni" | on "$node" "mkdir -p /opt/cni/bin; tar -C /opt/cni/bin --strip-components=1 -xf -"
  tar -C "$work/$node" --owner=0 --group=0 -cf - . | on "$node" "tar -C / --no-overwrite-dir -xf -
modprobe -qa overlay br_netfilter; sysctl -q -p /etc/sysctl.d/zz-kubestead.conf
systemctl daemon-reload; systemctl -q enable --now containerd; systemctl -q enable kubelet"
  while read -r image; do
    on "$node" "ctr -n k8s.io images import --local --label io.cri-containerd.pinned=pinned - > /dev/null" < "$bundle/$image"
  done < "$work/$role.image"
}
timeouts='timeouts: {controlPlaneComponentHealthCheck: 10m0s, kubeletHealthCheck: 10m0s, kubernetesAPICall: 5m0s,
  etcdAPICall: 10m0s, tlsBootstrap: 10m0s, discovery: 10m0s}'
registration() { # registration NODE ADDRESS
  cat <<YAML
nodeRegistration:
  name: $1
  criSocket: unix:///run/containerd/containerd.sock
  imagePullPolicy: IfNotPresent
  ignorePreflightErrors: [NumCPU, Mem]
  kubeletExtraArgs: [{name: node-ip, value: $2}]
YAML
}
version=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["kubernetes"])' "$bundle/bundle.json")

prepare cp1 control-plane & cp1=$!
prepare kube1 worker & kube1=$!
prepare kube2 worker & kube2=$!
wait $cp1
on cp1 "umask 077; mkdir -p /etc/kubernetes/enc /etc/kubernetes/adm; cat > /run/init.yaml
printf '%s' \"apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources: [{resources: [secrets], providers: [{secretbox: {keys: [{name: key1, secret: \$(head -c 32 /dev/urandom | base64)}]}}]}]
\" > /etc/kubernetes/enc/enc.yaml
kubeadm init --config /run/init.yaml > /dev/null" <<YAML
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint: {advertiseAddress: 10.77.0.11, bindPort: 6443}
$(registration cp1 10.77.0.11)
$timeouts
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: v$version
clusterName: home
controlPlaneEndpoint: 10.77.0.11:6443
networking: {podSubnet: 10.244.0.0/16, serviceSubnet: 10.96.0.0/12, dnsDomain: cluster.local}
encryptionAlgorithm: ECDSA-P256
apiServer:
  extraArgs:
  - {name: encryption-provider-config, value: /etc/kubernetes/enc/enc.yaml}
  - {name: encryption-provider-config-automatic-reload, value: "true"}
  extraVolumes: [{name: enc, hostPath: /etc/kubernetes/enc, mountPath: /etc/kubernetes/enc, readOnly: true, pathType: Directory}]
controllerManager: {extraArgs: [{name: leader-elect, value: "false"}]}
scheduler: {extraArgs: [{name: leader-elect, value: "false"}]}
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
cgroupDriver: systemd
---
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
YAML
export_admin='export KUBECONFIG=/etc/kubernetes/admin.conf'
on cp1 "$export_admin; kubectl apply --server-side -f - > /dev/null" < "$work/manifests.json" || true # labels of nodes that are not in yet
hash=$(on cp1 "openssl x509 -pubkey -noout -in /etc/kubernetes/pki/ca.crt | openssl pkey -pubin -outform DER | sha256sum | cut -d' ' -f1")
wait $kube1 $kube2
join() { # join NODE ADDRESS
  token=$(on cp1 "kubeadm token create --ttl 15m")
  on "$1" "umask 077; cat > /run/join.yaml; kubeadm join --config /run/join.yaml > /dev/null" <<YAML
apiVersion: kubeadm.k8s.io/v1beta4
kind: JoinConfiguration
discovery: {bootstrapToken: {token: $token, apiServerEndpoint: "10.77.0.11:6443", caCertHashes: ["sha256:$hash"]}}
$(registration "$1" "$2")
$timeouts
YAML
}
join kube1 10.77.0.21 & kube1=$!
join kube2 10.77.0.22 & kube2=$!
wait $kube1; wait $kube2
on cp1 "$export_admin; kubectl apply --server-side --force-conflicts -f - > /dev/null
kubectl wait --for=condition=Ready node --all --timeout=600s > /dev/null
for d in kube-system/kube-proxy kube-flannel/kube-flannel-ds; do kubectl -n \${d%/*} rollout status daemonset/\${d#*/} --timeout=600s > /dev/null; done
kubectl -n kube-system rollout status deployment/coredns --timeout=600s > /dev/null" < "$work/manifests.json"
