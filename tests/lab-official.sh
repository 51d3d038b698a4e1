#!/bin/bash
# The proof of the default source of software, on a lab of one node and a key server that has an internet of its own: `kubernetes: {version: ...}` with
# the official addresses. All that differs from the real ones are the keys that sign.
# Needs: a built `kubestead` (KUBESTEAD, else from PATH), gpg. Makes a lab of its own and removes it at the end; KEEP=1 keeps it.
. "$(dirname "$0")/lab-lib.sh" "lab, official software"

ready() { [ "$(on cp1 "kubectl --kubeconfig /etc/kubernetes/admin.conf get node cp1 -o 'jsonpath={.status.conditions[?(@.type==\"Ready\")].status}'")" = True ]; }
installed() { on cp1 "dpkg-query -W -f '\${db:Status-Want} \${db:Status-Status} \${Package} \${Version}\n' kubeadm kubelet kubectl containerd.io 2>/dev/null | grep -v not-installed"; }

echo "== from nothing"
mkdir -p "$KUBESTEAD_LAB_DIR/lab"
cat > "$KUBESTEAD_LAB_DIR/lab/lab.json" <<'JSON'
{"internet": true, "machines": [
  {"name": "cp1", "address": "10.77.0.11", "memory": 2560, "disks": [{"serial": "cp1-data", "size": 4096}]},
  {"name": "masterlock", "address": "10.77.0.5", "memory": 320, "disks": []}
]}
JSON
expect "lab up" "$kubestead" lab up
ln -sf "$KUBESTEAD_LAB_DIR/lab/ssh_config" "$work/ssh"
"$kubestead" init --dir "$work" >/dev/null 2>&1
cat > "$KUBESTEAD_FILE" <<YAML
apiVersion: kubestead/v1
kind: Cluster
name: home
kubernetes: {version: 1.37.1, lab: true}
ssh: {config: $work/ssh}
nodes:
  - {name: cp1, address: 10.77.0.11, roles: [control-plane, worker]}
disks:
  vg01: {devices: {cp1: [/dev/disk/by-id/ubd-cp1-data]}}
volumes:
  kubernetes: {on: [all], group: vg01, size: 128MiB, path: /etc/kubernetes}
  kubelet: {on: [all], group: vg01, size: 1GiB, path: /var/lib/kubelet}
keys:
  servers: [{host: masterlock, address: 10.77.0.5}]
YAML
of_file() { "$kubestead" check "$@"; }
expect "the file needs no source of software" of_file
elsewhere() { on cp1 "echo 'nameserver $1' > /etc/resolv.conf"; }
elsewhere 127.0.0.1
expect "a name that is not found is named, by machine" says "cp1/packages: https://pkgs.k8s.io/core:/stable:/v1.37/deb/Release.key: curl: (6)" status 4 plan
elsewhere 10.77.0.1

echo "== the two addresses answer over TLS"
export GNUPGHOME; GNUPGHOME=$(mktemp -d); chmod 700 "$GNUPGHOME"
gpg=(gpg --batch --quiet --yes --passphrase '')
# What the lab's internet serves of its own: a file in there takes the place of one that was built.
served=$KUBESTEAD_LAB_DIR/lab/internet release=core:/stable:/v1.37/deb
print() { cat "$served/$1.fingerprint"; }
"${gpg[@]}" --import "$served/pkgs.k8s.io/$release/Release.key" "$served/download.docker.com/linux/debian/gpg"
"${gpg[@]}" --faked-system-time=20240101T000000 --quick-generate-key ended ed25519 sign 1y 2>/dev/null
good=$(print pkgs.k8s.io) docker=$(print download.docker.com)
ended=$("${gpg[@]}" --with-colons --list-keys ended 2>/dev/null | awk -F : '/^fpr/ { print $10; exit }')
signed() { for repository in "pkgs.k8s.io/$release" download.docker.com/linux/debian/dists/bookworm; do "${gpg[@]}" --verify "$served/$repository/InRelease" || return 1; done; }
expect "both repositories are signed by the lab's own keys" signed
expect "and are served" on cp1 "curl -fsS https://pkgs.k8s.io/$release/InRelease https://download.docker.com/linux/debian/dists/bookworm/InRelease | grep -c 'BEGIN PGP SIGNATURE' | grep -qx 2"
expect "a registry gives the image of a tag by its digest" on cp1 "digest=\$(curl -fsSI https://registry.k8s.io/v2/pause/manifests/3.10.2 | tr -d '\r' | sed -n 's/^Docker-Content-Digest: //p') &&
  curl -fsS https://registry.k8s.io/v2/pause/manifests/\$digest | sha256sum | grep -q \${digest#sha256:}"
expect "and takes none" [ "$(on cp1 "curl -sS -o /dev/null -w '%{http_code}' -X POST https://registry.k8s.io/v2/pause/blobs/uploads/")" = 404 ]
on cp1 "mv /usr/local/share/ca-certificates/kubestead-lab.crt /root/ && update-ca-certificates > /dev/null 2>&1"
expect "an authority that the machine does not know is named with what to do" says "/usr/local/share/ca-certificates" status 4 plan
expect "the lab's machines are told of it again by lab up" "$kubestead" lab up

echo "== what is not signed by the expected key is not taken"
none() { [ -z "$(installed)" ]; }
expect "another key than the published one is refused" says "the key there is $good, and DE15B14486CD377B9E876E1A234654DA9A296436 is expected; it is not taken" status 4 plan
expect "and so by up" fails_saying "is expected; it is not taken" "$kubestead" up
with() { sed "s#^kubernetes: .*#kubernetes: {version: ${3:-1.37.1}, lab: true, packages: {fingerprint: $1, docker: {fingerprint: $2}}}#" "$KUBESTEAD_FILE"; }
with "$good" "$good" > "$work/docker.yaml"
expect "another key of Docker's too" says "https://download.docker.com/linux/debian/gpg: the key there is $docker" status 4 plan -f "$work/docker.yaml"
key() { "${gpg[@]}" --armor --export "$@" > "$served/pkgs.k8s.io/$release/Release.key"; }
with "$ended" "$docker" > "$work/ended.yaml"
key "$ended"
expect "a key that has expired is refused, with the day and the way on" says "the key $ended expired on 2024-12-31" status 4 plan -f "$work/ended.yaml"
key "$good" "$docker"
with "$good" "$docker" > "$work/good.yaml"
expect "a file with a second key is refused" says "it holds 2 keys" status 4 plan -f "$work/good.yaml"
key "$good"
with "$good" "$docker" 1.37.9 > "$work/next.yaml"
expect "a version that the repository does not have" says "kubeadm 1.37.9 is not in https://pkgs.k8s.io/core:/stable:/v1.37/deb, which has: 1.37.1-1.1" status 4 plan -f "$work/next.yaml"
expect "a package that Docker's does not go with" says "apt-get remove runc" status 4 plan -f "$work/good.yaml"
expect "nothing was installed" none
cp "$work/good.yaml" "$KUBESTEAD_FILE"
on cp1 "DEBIAN_FRONTEND=noninteractive apt-get -q -y remove runc" > /dev/null

echo "== the default path"
revision="$(on cp1 "curl -fsS https://download.docker.com/linux/debian/dists/bookworm/stable/binary-amd64/Packages" | sed -n 's/^Version: //p')"
# unreached NAME...: these names lead to nobody; without one all are reached again.
unreached() { on cp1 "sed -i '/# unreached\$/d' /etc/hosts; for name in $*; do echo \"127.0.0.1 \$name # unreached\" >> /etc/hosts; done"; }
unreached registry.k8s.io
expect "the plan tells the very version of containerd" says "install and hold containerd.io $revision of https://download.docker.com/linux/debian" status 3 plan
expect "up installs all, and ends where images are asked of a registry that is not there" fails_saying "registry.k8s.io" "$kubestead" up
expect "all are installed at their versions and held" diff <(installed | sort) <(printf 'hold installed %s\n' "containerd.io $revision" "kubeadm 1.37.1-1.1" "kubectl 1.37.1-1.1" "kubelet 1.37.1-1.1")
expect "containerd runs by our configuration from the beginning, and the package's is beside it" on cp1 "grep -q 'Written by kubestead' /etc/containerd/config.toml && ctr version > /dev/null && ! ctr plugins ls | grep -q 'cri.*skip'"
unreached
expect "the next up finishes" "$kubestead" up
pulled() { on cp1 "ctr -n k8s.io images ls -q" > "$work/pulled"; for name in registry.k8s.io/kube-apiserver registry.k8s.io/coredns/coredns ghcr.io/flannel-io/flannel; do grep "^$name@sha256:" "$work/pulled" || return 1; done; }
expect "images came from their registries, through the runtime" eventually 240 pulled
expect "the node is Ready" eventually 240 ready
expect "the plan is empty" eventually 180 status 0 plan
expect "up changes nothing" says "Nothing to do" "$kubestead" up
unreached pkgs.k8s.io download.docker.com registry.k8s.io ghcr.io
expect "a machine that has everything asks nobody" status 0 plan

echo "== what is other than it should be"
on cp1 "apt-mark unhold containerd.io > /dev/null; rm /etc/apt/keyrings/kubestead-kubernetes.asc"
expect "a keyring that is gone cannot be fetched now, which is told" says "the machine does not reach it" status 4 plan
unreached
expect "what is no longer held" says "hold containerd.io $revision, which is there" status 3 plan
started() { on cp1 "systemctl show -P ExecMainStartTimestampMonotonic containerd"; }
before=$(started)
expect "both are mended" "$kubestead" up
expect "without a restart of containerd" [ "$(started)" = "$before" ]
expect "all are held" [ "$(installed | grep -c '^hold installed ')" = 4 ]
expect "the plan is empty again" status 0 plan

echo "== reset"
expect "the cluster goes" "$kubestead" reset --yes-reset home
expect "packages stay, held" [ "$(installed | grep -c '^hold installed ')" = 4 ]
rm -rf "$GNUPGHOME"
expect "down leaves no process" bash -c "'$kubestead' lab down && ! pgrep -f '[u]mid=.* ubd0=$work'"
