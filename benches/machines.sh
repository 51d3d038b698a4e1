# shellcheck shell=bash
# For benches of many machines, which are addresses of a network namespace of its own: ahead of all else `alone "$@"`, which begins the bench again in
# such a namespace, then `machines`: one real sshd listens on all addresses of 10.99.0.0/16, and `ssh -F "$work/config"` logs in. Needs root, sshd.
alone() {
  if [ "${*: -1}" != inside ]; then
    exec unshare --net --mount --pid --fork --kill-child --mount-proc bash "$0" "$@" inside
  fi
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
}
# Lines for sshd's configuration come on standard input.
machines() {
  ulimit -n 65536 2> /dev/null || true
  ip link set lo up
  ip route add local 10.99.0.0/16 dev lo
  mkdir -p /run/sshd
  for key in host user; do ssh-keygen -q -t ed25519 -N '' -f "$work/$key"; done
  {
    echo "Port 2222"
    echo "HostKey $work/host"
    echo "AuthorizedKeysFile $work/user.pub"
    printf 'StrictModes no\nUsePAM no\nPermitRootLogin prohibit-password\nMaxStartups 1000\nPidFile none\nPerSourcePenalties no\n'
    cat
  } > "$work/sshd"
  /usr/sbin/sshd -t -f "$work/sshd" 2> /dev/null || sed -i '/PerSourcePenalties/d' "$work/sshd" # known from OpenSSH 9.8 on
  /usr/sbin/sshd -D -f "$work/sshd" & sshd=$!
  trap 'kill $sshd; rm -rf "$work"' EXIT
  echo "bench $(cut -d' ' -f1,2 "$work/host.pub")" > "$work/known"
  printf 'Host *\n  Port 2222\n  User root\n  IdentityFile %s\n  IdentitiesOnly yes\n  HostKeyAlias bench\n  GlobalKnownHostsFile %s\n' "$work/user" "$work/known" > "$work/config"
  until ssh -F "$work/config" -o BatchMode=yes 10.99.1.1 true 2> /dev/null; do kill -0 "$sshd"; done
  export KUBESTEAD_AGE_KEY_FILE=$work/age.txt XDG_STATE_HOME=$work/state
}
