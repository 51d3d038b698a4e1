#!/bin/bash
# machine.sh FUNCTION ARGUMENT...: what scenarios ask of a machine that is more than one program; each function succeeds if it is so.
set -euo pipefail
ssh_config=/etc/kubestead/ssh_config
server=masterlock@10.77.0.5
kube=(kubectl --kubeconfig /etc/kubernetes/admin.conf)
etcd=(
  etcdctl --endpoints https://127.0.0.1:2379 --cacert /etc/kubernetes/pki/etcd/ca.crt
  --cert /etc/kubernetes/pki/etcd/server.crt --key /etc/kubernetes/pki/etcd/server.key
)

# Every command line of this machine from here on, each once.
sample() { setsid bash "$0" sample_on > /run/cmdlines 2> /dev/null < /dev/null & }
# shellcheck disable=SC2016 # awk's own
sample_on() { while sleep 1; do cat /proc/[0-9]*/cmdline 2> /dev/null | tr '\0' '\n' || true; done | awk '!seen[$0]++ { print; fflush() }'; }

same_device() { [ "$(readlink -f "$1")" = "$(readlink -f "$2")" ]; }
mounted_from_crypt() { findmnt -M "$1" -o SOURCE | grep -q /dev/mapper/luks-; }
# sshd tells of each command at the level VERBOSE. A restart of sshd ends when it listens again, which a reload does not wait for.
ssh_verbose() { echo LogLevel VERBOSE > /etc/ssh/sshd_config.d/10-verbose.conf; systemctl restart ssh; }
ssh_quiet() { rm -f /etc/ssh/sshd_config.d/10-verbose.conf; systemctl restart ssh; }
ssh_commands() { journalctl --sync; journalctl -u ssh -o cat | grep -c 'Starting session: command'; }
# one_token VOLUME...: no header was made twice: each has one token of ours.
one_token() {
  for volume in "$@"; do
    [ "$(cryptsetup luksDump --dump-json-metadata "/dev/vg01/$volume" | grep -c '"type": *"kubestead"')" = 1 ] || return 1
  done
}

# etcd_encrypted KEY: the value begins as one of secretbox and lacks what stands on standard input, a text a line.
etcd_encrypted() { "${etcd[@]}" get "$1" > /run/probe && grep -qa 'k8s:enc:secretbox:v1:key[0-9]:' /run/probe && ! grep -qaF -f - /run/probe; }
# The administrator's file gets a program to run, which leaves CANARY.
exec_in_kubeconfig() {
  local program="{apiVersion: client.authentication.k8s.io/v1, command: touch, args: [$1], interactiveMode: Never}"
  cp -p /etc/kubernetes/admin.conf /root/admin.conf
  sed -i "s#^\( *\)client-key-data: .*#&\n\1exec: $program#" /etc/kubernetes/admin.conf
}
exec_out_of_kubeconfig() { cat /root/admin.conf > /etc/kubernetes/admin.conf; rm /root/admin.conf; }

# Whom the API server sees in a token, which is on standard input.
whoami_by_token() {
  local cluster='{server: "https://127.0.0.1:6443", tls-server-name: kubernetes, certificate-authority: /etc/kubernetes/pki/ca.crt}'
  local user; user="{token: $(cat)}"
  (umask 077; cat > /run/whoami) <<YAML
{apiVersion: v1, kind: Config, current-context: c, clusters: [{name: c, cluster: $cluster}],
 users: [{name: u, user: $user}], contexts: [{name: c, context: {cluster: c, user: u}}]}
YAML
  kubectl --kubeconfig /run/whoami auth whoami -o 'jsonpath={.status.userInfo.username}'
  rm /run/whoami
}

# As people do it who fetch an object, change it and apply it: the annotation then holds all values.
applied_by_hand() {
  "${kube[@]}" -n apps get secret "$1" -o yaml | grep -v -e resourceVersion -e uid | "${kube[@]}" -n apps apply -f - 2> /dev/null
  has_last_applied "$1"
}
has_last_applied() { "${kube[@]}" -n apps get secret "$1" -o yaml | grep -q last-applied; }
digest_without_values() {
  "${kube[@]}" -n apps get secret "$1" -o "jsonpath={.metadata.annotations}" > /run/probe
  grep -q kubestead.io/digest /run/probe && ! grep -q last-applied /run/probe
}
# Whether any of the texts on standard input is in a log, a file, a command line or an environment.
traces() { grep -rqaF -f - /var/log /run /etc /root /tmp /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2> /dev/null; }

# canaries FILE BARE TEXT: on the encrypted volume, and on the root disk.
canaries() { echo "$3-file" > "$1"; sync; echo "$3-bare" > "$2"; sync; }
recovery_opens() { cryptsetup open --test-passphrase --key-slot 7 --key-file - "$1"; }
no_core_and_no_swap() { sync; ! ls /var/lib/systemd/coredump/* /core* 2> /dev/null && [ -z "$(tail -n +2 /proc/swaps)" ]; }

# Faults of a network, and their end.
rule() { nft add table inet doctor; nft add chain inet doctor output '{ type filter hook output priority 0; }'; nft add rule inet doctor output "$@" drop; }
drop_dns() { rule udp dport 53; }
drop_large() { rule icmp type echo-request ip length gt 1400; }
drop_nothing() { nft delete table inet doctor; }
lose_packets() { tc qdisc add dev flannel.1 root netem loss 30%; }
lose_no_packets() { tc qdisc del dev flannel.1 root; }
# The journal of a unit of ours gets what stands on standard input.
journal_says() {
  cat > /run/canary
  systemd-run --quiet --unit=kubestead-canary -p StandardInput=file:/run/canary --wait cat
  rm /run/canary
}

takes_no_file() { ! touch "$1/x" 2> /dev/null; }
# A service that needs the kubelet's volume.
probe_service() {
  printf '[Unit]\nRequiresMountsFor=/var/lib/kubelet\n[Service]\nExecStart=/bin/sleep 1000\n' > /run/systemd/system/probe.service
  systemctl daemon-reload
  systemctl start --no-block probe
  ! systemctl is-active -q probe
}
probe_service_starts() { systemctl start probe && systemctl is-active -q probe; }
no_probe_service() { systemctl stop probe; rm /run/systemd/system/probe.service; systemctl daemon-reload; }

# The kubelet at an address shows a certificate of the cluster's own authority, for that address.
kubelet_is_known() { openssl s_client -connect "$1:10250" -CAfile /etc/kubernetes/pki/ca.crt -verify_return_error -verify_ip "$1" < /dev/null > /dev/null 2>&1; }
kubelet_loses_certificate() { rm /var/lib/kubelet/pki/kubelet-server-*.pem; systemctl restart kubelet; }
# kubelet_asks REQUEST NAMES: with the credentials of this node, for a certificate of it with these names.
kubelet_asks() {
  local node; node=$(hostname)
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null -subj "/O=system:nodes/CN=system:node:$node" \
    -addext "subjectAltName=$2" -out /run/probe 2> /dev/null
  kubectl --kubeconfig /etc/kubernetes/kubelet.conf create -f - <<YAML
{apiVersion: certificates.k8s.io/v1, kind: CertificateSigningRequest, metadata: {name: $1},
 spec: {request: $(base64 -w 0 /run/probe), signerName: kubernetes.io/kubelet-serving, usages: [digital signature, server auth]}}
YAML
  rm /run/probe
}
not_approved() { journalctl --sync; journalctl -u kubestead-approver -o cat | grep "not approved: $1 of"; }
# How long the token on standard input lives, in seconds.
token_lives() {
  local body; body=$(cut -d . -f 2 | tr '_-' '/+')
  while [ $((${#body} % 4)) != 0 ]; do body+="="; done
  base64 -d <<< "$body" | sed 's/.*"exp":\([0-9]*\),"iat":\([0-9]*\).*/\1-\2/' | { IFS=- read -r ends begins || true; echo $((ends - begins)); }
}
# by_token PATH: what the API server answers whoever has the token on standard input, with its status.
by_token() { curl -s -w '\n%{http_code}\n' --cacert /etc/kubernetes/pki/ca.crt --resolve kubernetes:6443:127.0.0.1 -H @<(printf 'Authorization: Bearer %s' "$(cat)") "https://kubernetes:6443$1"; }
# forwarded NAMESPACE OBJECT PORT: the page that comes from there through kubectl port-forward.
forwarded() {
  local line pid out status=0
  coproc { exec "${kube[@]}" -n "$1" port-forward "$2" ":$3"; }
  pid=$COPROC_PID out=${COPROC[0]}
  IFS= read -r -t 60 line <&"$out" || status=$?
  [[ $line =~ 127\.0\.0\.1:([0-9]+) ]] && curl -s "http://127.0.0.1:${BASH_REMATCH[1]}/" || status=$?
  kill "$pid"; wait "$pid" || true
  return "$status"
}

fetch() { ssh -F "$ssh_config" -o ConnectTimeout=5 "$server" "$@" < /dev/null; }
share_is_whole() { [ "$(fetch get "$1" | wc -c)" = 64 ]; }
# refused STATUS REQUEST: the key server refuses it so.
refused() { local status=0; fetch "$2" > /dev/null 2>&1 || status=$?; [ "$status" = "$1" ] || { echo "status $status"; return 1; }; }
gets_nothing() { ! fetch get "$1" > /dev/null 2>&1; }
no_sftp() { ! sftp -F "$ssh_config" -b /dev/null "$server" > /dev/null 2>&1; }
no_forwarding() { ! timeout 5 ssh -F "$ssh_config" -o ExitOnForwardFailure=yes -W 127.0.0.1:22 "$server" < /dev/null > /dev/null 2>&1; }
share_alone_opens() { fetch get "$1" | cryptsetup open --test-passphrase --key-file - "/dev/vg01/$1" 2> /dev/null; }
open_connection() { ssh -F "$ssh_config" -M -S /run/master -N -f "$server" && [ "$(fetch -S /run/master get "$1" | wc -c)" = 64 ]; }
connection_ended() { ! ssh -S /run/master -O check "$server" 2> /dev/null; }
# The interface by which the key server is reached.
device() { ip -o route get 10.77.0.5 | sed 's/.* dev \([^ ]*\).*/\1/'; }
second_address() { ip addr "$1" 10.77.0.99/24 dev "$(device)"; }
another_key() { mkdir -p /root/old; mv /etc/kubestead/id_ed25519* /root/old; ssh-keygen -q -t ed25519 -N '' -f /etc/kubestead/id_ed25519; }

# On the key server. A line of somebody else.
foreign_line() { echo 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIbVGhBiYPBPGBKLxbZQYA5Oru1ZCpcZAnMfV2PTJJ0K me@desk' >> /etc/ssh/kubestead_keys; }
# What a doctor must find, all at once: a key that is good from everywhere, a forced command that gives all, an open folder, a shell.
break_server() {
  cp /etc/ssh/kubestead_keys /root/keys; sed -i 's/from="[^"]*"/from="*"/' /etc/ssh/kubestead_keys
  cp -p /usr/local/lib/kubestead/serve /root/serve
  printf '#!/bin/sh\ncat /var/lib/kubestead-keys/*/%s\n' "$1" > /usr/local/lib/kubestead/serve
  chmod 755 /var/lib/kubestead-keys
  foreign_line
}
repair_server() {
  cat /root/keys > /etc/ssh/kubestead_keys
  cat /root/serve > /usr/local/lib/kubestead/serve; chmod 700 /var/lib/kubestead-keys
}
# lines NODE: how many lines of ours let it in.
lines() { grep -c "kubestead:home/$1\$" /etc/ssh/kubestead_keys || true; }
has_foreign_line() { grep -q me@desk /etc/ssh/kubestead_keys; }
no_foreign_line() { sed -i /me@desk/d /etc/ssh/kubestead_keys; }
share_has_64_bytes() { [ "$(stat -c %s "/var/lib/kubestead-keys/$1/$2")" = 64 ]; }

# Mounts of somebody's below the kubelet's folder.
bind_below_kubelet() {
  mkdir -p /root/bound /run/kept /var/lib/kubelet/bound /var/lib/kubelet/kept
  echo canary > /root/bound/file; mount -t tmpfs kept /run/kept; echo canary > /run/kept/file
  mount --bind /root/bound /var/lib/kubelet/bound; mount --bind /run/kept /var/lib/kubelet/kept
}
unbind() { umount /run/kept; rm -r /root/bound /run/kept; }
nothing_of_the_cluster() { ! [ -e /etc/kubernetes/admin.conf ] && ! [ -e /etc/kubernetes/manifests/etcd.yaml ] && [ -z "$(ls /var/lib/etcd)" ]; }
no_join_tokens() { [ -z "$(kubeadm token list -o json 2> /dev/null)" ]; }

# A volume is closed, its header kept in memory, and a byte of the first copy flipped.
flip_header() {
  systemctl stop kubelet containerd; umount /var/lib/kubestead/volumes; systemctl stop 'systemd-cryptsetup@luks\x2dvolkube.service'
  dd if=/dev/vg01/volkube of=/run/header bs=1M count=1 status=none
  printf X | dd of=/dev/vg01/volkube bs=1 seek=4200 conv=notrunc status=none; sync
}
put_header_back() { dd if=/run/header of=/dev/vg01/volkube bs=1M conv=notrunc status=none; sync; }

os_release() { sed 's/VERSION_ID=.*/VERSION_ID="9"/' /etc/os-release > /run/os; mount --bind /run/os /etc/os-release; }
# No login for so many seconds, in which the key that opens it lies beside.
refuse_logins_for() {
  mv /root/.ssh/authorized_keys /root/.ssh/away
  setsid bash -c "sleep $1; mv /root/.ssh/away /root/.ssh/authorized_keys" > /dev/null 2>&1 < /dev/null &
}
fill_root() { fallocate -l $(($(df --output=avail -B1 / | tail -n 1) - 50000000)) /root/full; }

# The official software that is here: what dpkg is to do with it, its state, name and version, in the order of names.
official() {
  dpkg-query -W -f '${db:Status-Want} ${db:Status-Status} ${Package} ${Version}\n' kubeadm kubelet kubectl containerd.io 2> /dev/null |
    grep -v not-installed | sort || true
}
# The version of Debian's runc as its project writes it.
runc_version() { dpkg-query -W -f '${Version}\n' runc | cut -d + -f 1; }
resolver() { echo "nameserver $1" > /etc/resolv.conf; }
# unreached NAME...: these names lead to nobody from here on; without one all are reached.
unreached() { sed -i '/# unreached$/d' /etc/hosts; for name in "$@"; do echo "127.0.0.1 $name # unreached" >> /etc/hosts; done; }
no_authority() { rm /usr/local/share/ca-certificates/kubestead-lab.crt; update-ca-certificates > /dev/null 2>&1; }
# Whether each address answers with something signed.
serves_signed() { for address in "$@"; do curl -fsS "$address" | grep -q 'BEGIN PGP SIGNATURE'; done; }
# serves_by_digest REPOSITORY TAG: the manifest of a tag has the digest that is told with it, by which it is got too.
serves_by_digest() {
  digest=$(curl -fsSI "$1/manifests/$2" | tr -d '\r' | sed -n 's/^Docker-Content-Digest: sha256://p')
  [ -n "$digest" ] && curl -fsS "$1/manifests/sha256:$digest" | sha256sum | grep -q "^$digest "
}
containerd_of_ours() { grep -q 'Written by kubestead' /etc/containerd/config.toml && ctr version > /dev/null && ! ctr plugins ls | grep -q 'cri.*skip'; }

"$@"
