#!/bin/bash
# The proof of packages as the source of Kubernetes' programs, on a lab of two machines: a signed repository, exact versions, held.
# Needs: a built `kubestead` (KUBESTEAD, else from PATH) and gpg. Makes a lab of its own and removes it at the end; KEEP=1 keeps it.
. "$(dirname "$0")/lab-lib.sh" "lab, packages"

ready() { [ "$(on cp1 "kubectl --kubeconfig /etc/kubernetes/admin.conf get node cp1 -o 'jsonpath={.status.conditions[?(@.type==\"Ready\")].status}'")" = True ]; }
# while_unpacking COMMAND...: begins `up`, waits until dpkg unpacks on the node, carries the command out and kills `up` with -9.
while_unpacking() {
  "$kubestead" up > "$work/killed" 2>&1 & pid=$!
  begun=0; on cp1 "timeout 180 bash -c 'until pgrep -x dpkg-deb; do sleep 0.1; done'" || begun=1
  "$@"
  kill -9 "$pid"; wait "$pid" 2>/dev/null || true
  [ "$begun" = 0 ] || { echo "dpkg was not seen"; cat "$work/killed"; return 1; }
}

echo "== from nothing"
bundle=$("$kubestead" lab build 2>/dev/null)
mkdir -p "$KUBESTEAD_LAB_DIR/lab"
cat > "$KUBESTEAD_LAB_DIR/lab/lab.json" <<'JSON'
{"machines": [
  {"name": "cp1", "address": "10.77.0.11", "memory": 2560, "disks": [{"serial": "cp1-data", "size": 4096}]},
  {"name": "masterlock", "address": "10.77.0.5", "memory": 320, "disks": []}
]}
JSON
expect "lab up" "$kubestead" lab up
ln -sf "$KUBESTEAD_LAB_DIR/lab/ssh_config" "$work/ssh"
"$kubestead" init --dir "$work" >/dev/null 2>&1
sed "s#^ssh: .*#ssh: {config: $work/ssh}#; s#^  bundle: bundle#  bundle: $bundle#" "$top/examples/packages/cluster.yaml" > "$KUBESTEAD_FILE"
expect "a keyring that is not there is named" says "kubernetes.asc" status 4 plan
repository=http://packages.lab/core:/stable:/v1.37/deb
expect "the lab serves the repository's key" on cp1 "curl -fs $repository/Release.key"
cp "$work/out" "$work/kubernetes.asc"
expect "and nothing beside it" on cp1 "! curl -fs --path-as-is http://packages.lab/../kernel.json && ! curl -fs --path-as-is http://packages.lab/core:/../../bundle.json"
expect "the plan names the repository" says "the apt repository $repository" status 3 plan
sed '/^  bundle:/d' "$KUBESTEAD_FILE" > "$work/alone.yaml"
expect "without a bundle the machine's containerd is asked for" says "containerd is missing" status 4 plan -f "$work/alone.yaml"

echo "== what somebody else put there"
# Their own runtime and unit in the places of ours, a setting of the kernel against ours; swap from a file in fstab, from a service as zram-tools
# ships it, and from a unit of their own.
on cp1 "mkdir -p /etc/containerd /srv; cat > /etc/containerd/config.toml" <<'TOML'
version = 3
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.kata]
  runtime_type = "io.containerd.kata.v2"
TOML
on cp1 "bash -es" <<'SH'
printf '[Service]\nExecStart=/opt/mine/containerd\n' > /etc/systemd/system/containerd.service
printf '# Mine.\nnet.ipv4.ip_forward = 0\n' > /etc/sysctl.d/99-mine.conf
for name in fstab service own; do
  head -c 16M /dev/zero > /srv/$name.swap; chmod 600 /srv/$name.swap; mkswap -q /srv/$name.swap
done
echo "/srv/fstab.swap none swap sw 0 0" >> /etc/fstab
printf '#!/bin/sh\n[ "$1" != start ] || exec swapon /srv/service.swap\nexec swapoff /srv/service.swap\n' > /usr/sbin/zramswap; chmod 755 /usr/sbin/zramswap
unit() { printf '[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=%s\nExecStop=%s\n[Install]\nWantedBy=multi-user.target\n' "$2" "$3" > "$1"; }
unit /usr/lib/systemd/system/zramswap.service "/usr/sbin/zramswap start" "/usr/sbin/zramswap stop"
unit /etc/systemd/system/own-swap.service "/sbin/swapon /srv/own.swap" "/sbin/swapoff /srv/own.swap"
systemctl daemon-reload
systemctl enable -q --now own-swap.service zramswap.service
swapon -a
SH
expect "there are three sources of swap" on cp1 "[ \$(tail -n +2 /proc/swaps | wc -l) = 3 ]"
theirs=(etc/containerd/config.toml etc/systemd/system/containerd.service)
sums() { on cp1 "cd /; sha256sum ${theirs[*]/%/${1:-}} | cut -d' ' -f1"; }
sums > "$work/theirs"
as_they_were() { sums "$@" | diff "$work/theirs" -; }
expect "a unit of their own that turns swap on is held, with what to type" says "systemctl disable --now own-swap.service" status 4 plan
on cp1 "systemctl disable -q --now own-swap.service"
expect "swap goes, and each source is named" says "/srv/fstab.swap (/etc/fstab, whose line becomes a comment); zramswap.service (/" plan
consents=()
for path in "${theirs[@]}"; do
  consents+=(--yes "cp1/$path/adopt")
  expect "the plan asks for /$path" says "needs your consent: --yes cp1/$path/adopt" plan
done
expect "and names their runtime and where it belongs" says "runtimes.kata]; runtimes of your own belong in /etc/containerd/conf.d" plan

echo "== what is not signed by the key is not taken"
installed() { on cp1 "dpkg-query -W -f '\${db:Status-Want} \${db:Status-Status} \${Version}\n' kubeadm kubelet kubectl | sort -u"; }
none() { [ -z "$(installed 2>/dev/null)" ]; }
export GNUPGHOME=$work/gnupg; mkdir -m 700 "$GNUPGHOME"
gpg --batch --quiet --passphrase '' --quick-generate-key other ed25519 sign never 2>/dev/null
gpg --armor --export > "$work/other.asc"; gpgconf --kill all; unset GNUPGHOME
sed 's#kubernetes.asc#other.asc#' "$KUBESTEAD_FILE" > "$work/other.yaml"
expect "another key" fails_saying "NO_PUBKEY" "$kubestead" up -f "$work/other.yaml"
sed 's#core:/stable:#core:/unsigned:#' "$KUBESTEAD_FILE" > "$work/unsigned.yaml"
expect "no signature" fails_saying "is not signed" "$kubestead" up -f "$work/unsigned.yaml"
cp -rl "$bundle" "$work/next"; sed -i 's/"kubernetes": "1.37.1"/"kubernetes": "1.37.9"/' "$work/next/bundle.json"
sed "s#1.37.1#1.37.9#; s#^  bundle: .*#  bundle: $work/next#" "$KUBESTEAD_FILE" > "$work/next.yaml"
expect "a version that the repository does not have" fails_saying "which has: 1.37.1-1.1" "$kubestead" up -f "$work/next.yaml"
expect "nothing was installed" none

echo "== kill -9 of up, and the power cut, in the middle of the installation"
expect "the power is cut while dpkg unpacks" while_unpacking "$kubestead" lab kill cp1
expect "power back" "$kubestead" lab start cp1
expect "up is killed while dpkg unpacks" while_unpacking true
on cp1 "ls -l /var/lib/kubestead/packages-begun; dpkg-query -W -f '\${Package} \${db:Status-Status}\n' kubeadm kubelet kubectl kubernetes-cni; ls -s /var/lib/apt/lists" 2>&1 | sed 's/^/      /' || true
expect "what somebody else put there is as it was" as_they_were
expect "the next up finishes, with consent to take it over" "$kubestead" up "${consents[@]}"
expect "a copy of each is kept" as_they_were .before-kubestead
expect "none of it is in use" on cp1 "! grep -q kata /etc/containerd/config.toml && systemctl show -P ExecStart containerd | grep -q /usr/local/bin/containerd"
ours() { on cp1 "[ -z \"\$(tail -n +2 /proc/swaps)\" ] && [ \$(sysctl -n net.ipv4.ip_forward) = 1 ]"; }
expect "there is no swap, and packets of pods are forwarded" ours
expect "the line of fstab is a comment, and a copy is kept" on cp1 "grep -qx '# kubestead: no swap: /srv/fstab.swap none swap sw 0 0' /etc/fstab && grep -q ^/srv/fstab.swap /etc/fstab.before-kubestead"
expect "the node is Ready" eventually 240 ready
expect "all three are installed at the version and held" [ "$(installed)" = "hold installed 1.37.1-1.1" ]
expect "and nothing is left half done" on cp1 "[ -z \"\$(dpkg --audit)\" ] && ! [ -e /var/lib/kubestead/packages-begun ]"
expect "the packages' own programs and units run" on cp1 "! ls /usr/local/bin/kube* /etc/systemd/system/kubelet.service 2>/dev/null && [ \"\$(readlink /proc/\$(systemctl show -P MainPID kubelet)/exe)\" = /usr/bin/kubelet ]"
expect "their CNI plugins too" on cp1 "dpkg -S /opt/cni/bin/bridge && dpkg --verify kubernetes-cni kubelet kubeadm kubectl"
expect "the plan is empty" status 0 plan
expect "up changes nothing" says "Nothing to do" "$kubestead" up

echo "== what is other than it should be"
on cp1 "apt-mark unhold kubelet > /dev/null"
expect "what is no longer held" says "cp1/packages/install" status 3 plan
expect "is held again" "$kubestead" up
expect "all are" [ "$(installed)" = "hold installed 1.37.1-1.1" ]
expect "another version is held, not changed" says "the cluster runs 1.37.1 (API server), and the file says 1.37.9" status 4 plan -f "$work/next.yaml"
on cp1 "echo 'deb [signed-by=/root/key.asc] $repository/ /' > /etc/apt/sources.list.d/other.list"
expect "a second source of the repository" says "/etc/apt/sources.list.d/other.list names the repository" status 4 plan
on cp1 "rm /etc/apt/sources.list.d/other.list; ln -s /bin/true /usr/local/bin/kubelet"
expect "a program that hides the package's" says "rm /usr/local/bin/kubelet" status 4 plan
on cp1 "rm /usr/local/bin/kubelet"
expect "the plan is empty again" status 0 plan

echo "== reboot"
expect "reboot" "$kubestead" lab reboot cp1
expect "the node is Ready" eventually 240 ready
expect "the plan is empty" eventually 180 status 0 plan
expect "no swap came back, and packets are forwarded" ours

echo "== without a bundle, on the containerd and the images that are there"
expect "up" "$kubestead" up -f "$work/alone.yaml"
expect "the node is Ready" eventually 120 ready
expect "the plan is empty" eventually 180 status 0 plan -f "$work/alone.yaml"

echo "== reset"
expect "the cluster goes" "$kubestead" reset --yes-reset home
expect "packages stay, held" [ "$(installed)" = "hold installed 1.37.1-1.1" ]
expect "down leaves no process" bash -c "'$kubestead' lab down && ! pgrep -f '[u]mid=.* ubd0=$work'"
