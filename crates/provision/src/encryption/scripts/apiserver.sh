# shellcheck shell=bash
# apiserver: the process of the API server on this machine, nothing when none listens.
apiserver() {
  ss -Hltnp 'sport = :6443' | sed -n 's/.*("kube-apiserver",pid=\([0-9]*\),.*/\1/p'
}
# mounted: the folders that it sees as mounts, asked of the kernel: what its manifest says may not run yet.
mounted() {
  local pid
  pid=$(apiserver)
  [ -z "$pid" ] || awk '{ print $5 }' "/proc/${pid%%[!0-9]*}/mountinfo" 2> /dev/null || true
}
