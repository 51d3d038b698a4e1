#!/bin/bash
# Functions of machine.sh for requests to the gateway, from a machine that is none of its nodes.

# request SCHEME HOST ADDRESS PORT PATH: the answer's text, then its status and where it sends one. The certificate must be of /run/gateway.crt, if that is there.
request() {
  local ca=()
  [ ! -e /run/gateway.crt ] || ca=(--cacert /run/gateway.crt)
  curl -sS -m 10 "${ca[@]}" --resolve "$2:$4:$3" -w '%{http_code} %{redirect_url}' "$1://$2:$4$5" 2>&1
}
# failed COUNT SCHEME HOST ADDRESS PORT: how many of so many requests, each of a connection of its own, are not answered with 200.
failed() {
  local n bad=0
  for n in $(seq "$1"); do
    [[ $(request "$2" "$3" "$4" "$5" "/?$n") == *'200 ' ]] || bad=$((bad + 1))
  done
  echo "$bad"
}
# failed_from SECONDS COUNT SCHEME HOST ADDRESS PORT: the same, from so many seconds on.
failed_from() { sleep "$1"; shift; failed "$@"; }
# begin_requests SCHEME HOST ADDRESS PORT: from here on they come one after another; end_requests tells how many failed, and fails if there was none.
begin_requests() { rm -f /run/requests*; systemd-run -q --unit gateway-requests bash "$0" requests "$@"; }
requests() {
  until [ -e /run/requests-end ]; do
    failed 1 "$@" >> /run/requests
    sleep 0.1
  done
}
end_requests() {
  touch /run/requests-end
  while systemctl is-active -q gateway-requests; do sleep 0.2; done
  grep -q . /run/requests && { grep -c 1 /run/requests || true; }
}
# serial HOST ADDRESS PORT: of the certificate that is served.
serial() { openssl s_client -connect "$2:$3" -servername "$1" < /dev/null 2> /dev/null | openssl x509 -noout -serial; }
# said ADDRESS PORT WORD: what is answered to a line, over TCP.
said() { exec 3<> "/dev/tcp/$1/$2" && printf '%s\n' "$3" >&3 && head -n 1 <&3; }
# upgraded HOST ADDRESS PORT WORD: a WebSocket is asked for (RFC 6455, with the key of its example), and a line is sent over it; the answer's line, and the one that
# came back.
upgraded() {
  local line
  exec 3<> "/dev/tcp/$2/$3" || return 1
  printf '%s\r\n' 'GET /socket HTTP/1.1' "Host: $1" 'Connection: Upgrade' 'Upgrade: websocket' 'Sec-WebSocket-Version: 13' \
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' '' >&3
  IFS= read -r -t 10 line <&3 && printf '%s ' "${line%$'\r'}"
  while IFS= read -r -t 10 line <&3 && [ -n "${line%$'\r'}" ]; do :; done
  printf '%s\n' "$4" >&3
  IFS= read -r -t 10 line <&3 && printf '%s\n' "$line"
}
