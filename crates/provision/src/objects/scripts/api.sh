# shellcheck shell=bash disable=SC2154
# What the API server on this machine answers to all `urls`, over one connection: each answer, then a line with its HTTP status. It says nothing
# where there is no cluster. `as_admin` stands ahead of this text.
[ -s /etc/kubernetes/admin.conf ] || exit 0
# What `kubectl apply` left of values in an annotation is cut out before it leaves the machine. A JSON text has its quotes escaped, so that this
# ends where the text ends.
without_values() {
  sed -E 's#("'"$annotation"'": ?)"([^"\\]|\\.)*"#\1""#'
}
as_admin -m 20 -H "Accept: $accept" -w '\n@@status %{http_code}\n' "${urls[@]}" | without_values
true
