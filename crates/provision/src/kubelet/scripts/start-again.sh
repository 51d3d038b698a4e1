# shellcheck shell=bash disable=SC2154
# start_again: a kubelet that runs starts again, and is waited for, "start" seconds at most. One that is stopped stays so.
start_again() {
  local end
  if ! systemctl is-active -q kubelet; then
    return
  fi
  systemctl restart kubelet
  end=$((SECONDS + start))
  until [ "$(curl -s -m 10 http://127.0.0.1:10248/healthz)" = ok ]; do
    [ "$SECONDS" -lt "$end" ] || unverified "the kubelet is not healthy $start s after it started again: see journalctl -u kubelet"
    sleep 1
  done
}
