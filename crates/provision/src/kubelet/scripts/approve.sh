# shellcheck shell=bash
# Written by kubestead. Approves certificates that kubelets ask for to be known by (kubernetes.io/kubelet-serving), as long as it runs: those of the
# nodes in the cluster file, for their own host name and address and nothing else. After as-admin.sh.
set -euo pipefail
nodes=/etc/kubestead/kubelets
config=/etc/kubernetes/admin.conf
requests=https://kubernetes:6443/apis/certificates.k8s.io/v1/certificatesigningrequests
# One that nobody has judged yet: its name, its uid, who asks, whether that is a node, and for what.
template='{{if not .status.conditions}}{{.metadata.name}} {{.metadata.uid}} {{printf "%q" .spec.username}} {{range .spec.groups}}{{if eq . "system:nodes"}}node{{end}}{{end}}- {{.spec.request}}{{"\n"}}{{end}}'

# names HOST: the names that a node may be known by, as a certificate holds them, in hex digits.
names() {
  local host hex
  while read -r host hex; do
    if [ "$host" = "$1" ]; then
      echo "$hex"
    fi
  done < "$nodes"
}

# refused USER GROUP REQUEST: why it is not approved; nothing if it may be.
refused() {
  local host request subject wanted found
  host=${1#'"system:node:'}
  host=${host%'"'}
  if [ "$1" != "\"system:node:$host\"" ] || [ "$2" != node- ]; then
    echo "it is not a node that asks"
    return
  fi
  wanted=$(names "$host")
  if [ -z "$wanted" ]; then
    echo "the cluster file has no node $host"
    return
  fi
  request=$(base64 -d <<< "$3")
  # This form escapes what would end a line.
  subject=$(openssl req -noout -subject -nameopt RFC2253 <<< "$request" 2> /dev/null) || true
  if [ "$subject" != "subject=CN=system:node:$host,O=system:nodes" ]; then
    echo "it is for another subject than the node"
    return
  fi
  # Each extension is an octet string, which is told in hex digits: there is one alone, the names.
  found=$(openssl asn1parse <<< "$request" 2> /dev/null | sed -n '/OCTET STRING/ s/.*\[HEX DUMP\]://p; /OBJECT .*:X509v3 Subject Alternative Name/ s/.*/names/p') || true
  if [ "${found,,}" != "names"$'\n'"$wanted" ]; then
    echo "it is for other names than $host and its address"
  fi
}

# approve NAME UID: only the request that was judged.
approve() {
  local condition='{"type": "Approved", "status": "True", "reason": "OwnNames", "message": "kubestead: a node asks for its own host name and address"}'
  as_admin -f -m 30 -o /dev/null -X PATCH -H 'Content-Type: application/merge-patch+json' \
    --data "{\"metadata\": {\"uid\": \"$2\"}, \"status\": {\"conditions\": [$condition]}}" "$requests/$1/approval"
}

kubectl --kubeconfig "$config" get csr --field-selector spec.signerName=kubernetes.io/kubelet-serving --watch -o "go-template=$template" |
  while read -r name uid user group request; do
    why=$(refused "$user" "$group" "$request")
    if [ -n "$why" ]; then
      echo "not approved: $name of $user: $why"
    elif approve "$name" "$uid"; then
      echo "approved: $name of $user"
    else
      echo "could not approve $name of $user"
    fi
  done
