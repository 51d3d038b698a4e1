#!/bin/bash
# Functions of machine.sh for a provider of OpenID Connect on a machine, and for the API server's audit log.

# issuer_begins ADDRESS: it serves https://ADDRESS:8443 until the machine's next boot; prints the certificate of its authority.
issuer_begins() {
  local folder=/run/issuer modulus
  mkdir -p "$folder/.well-known"
  cd "$folder" || return
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.crt -subj /CN=issuers -days 2 2> /dev/null
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout server.key -out server.csr -subj /CN=issuer 2> /dev/null
  openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile <(echo "subjectAltName=IP:$1") -out server.crt 2> /dev/null
  openssl genrsa -out token.key 2048 2> /dev/null
  modulus=$(openssl rsa -in token.key -noout -modulus | cut -d = -f 2 | python3 -c 'import base64, sys; print(base64.urlsafe_b64encode(bytes.fromhex(sys.stdin.read().strip())).rstrip(b"=").decode())')
  printf '{"issuer": "https://%s:8443", "jwks_uri": "https://%s:8443/keys", "id_token_signing_alg_values_supported": ["RS256"], "response_types_supported": ["id_token"], "subject_types_supported": ["public"]}' \
    "$1" "$1" > .well-known/openid-configuration
  printf '{"keys": [{"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "one", "n": "%s", "e": "AQAB"}]}' "$modulus" > keys
  systemd-run -q --unit issuer --working-directory "$folder" python3 -c '
import http.server, ssl
server = http.server.ThreadingHTTPServer(("", 8443), http.server.SimpleHTTPRequestHandler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("server.crt", "server.key")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()'
  cat ca.crt
}
issuer_ends() { systemctl stop issuer; rm -rf /run/issuer; }
# token ADDRESS AUDIENCE EMAIL GROUP SECONDS: one that ends in so many seconds.
token() {
  local begin
  encode() { base64 -w 0 | tr '+/' '-_' | tr -d '='; }
  begin=$(printf '{"alg": "RS256", "kid": "one", "typ": "JWT"}' | encode).$(printf '{"iss": "https://%s:8443", "aud": "%s", "sub": "1", "email": "%s", "email_verified": true, "groups": ["%s"], "iat": %s, "exp": %s}' \
    "$1" "$2" "$3" "$4" "$(($(date +%s) - 60))" "$(($(date +%s) + $5))" | encode)
  printf '%s.%s' "$begin" "$(printf %s "$begin" | openssl dgst -sha256 -sign /run/issuer/token.key | encode)"
}
# as_bearer WORDS...: kubectl with the token on standard input, and nobody else's rights.
as_bearer() {
  umask 077
  printf 'apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{name: c, context: {cluster: c, user: u}}]\nclusters: [{name: c, cluster: {server: "https://%s:6443", certificate-authority: /etc/kubernetes/pki/ca.crt}}]\nusers: [{name: u, user: {token: "%s"}}]\n' \
    10.77.0.11 "$(cat)" > /run/bearer
  kubectl --kubeconfig /run/bearer "$@"
}

audit_log() { cat /var/log/kubernetes/audit/*.log | grep -- "$1"; }
# audited USER VERB RESOURCE: the log has it.
audited() { audit_log "\"username\":\"$1\"" | grep "\"verb\":\"$2\"" | grep -q "\"resource\":\"$3\""; }
# in_audit_log: whether what stands on standard input is in it.
in_audit_log() { cat /var/log/kubernetes/audit/*.log > /run/audit && grep -qaF -f - /run/audit; }
# Without the copies of what somebody changed.
served_files() { find /etc/kubernetes/adm -type f ! -name '*.before-kubestead*' -printf '%f\n' | sort; }
