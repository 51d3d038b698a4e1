//! Shell functions that looking and acting share. Whatever they print holds no key and no value.

use super::spec::FILE;

/// `etcd ARGUMENTS`: etcdctl, to the member on this machine alone.
pub(super) const ETCD: &str = "etcd() { etcdctl --endpoints=https://127.0.0.1:2379 --cacert=/etc/kubernetes/pki/etcd/ca.crt \
     --cert=/etc/kubernetes/pki/etcd/server.crt --key=/etc/kubernetes/pki/etcd/server.key \"$@\"; }\n";

/// `values RESOURCE`: how many values begin in which way, a line each: COUNT and the beginning, `-` for a value as it is. In pages of 500;
/// only the first bytes of a line leave etcdctl's pipe, and of these only what is the beginning of an encrypted value.
pub(super) const VALUES: &str = r#"values() {
  local from=/registry/$1/ last='' page more
  { while :; do
    page=$(etcd get "$from" "/registry/${1}0" --limit=501 -w fields | cut -b 1-400 | awk -v last="$last" '
      /^"Key" : / { key = substr($0, 10, length($0) - 10); again = key == last }
      /^"Value" : / && !again { v = substr($0, 12); print match(v, /^k8s:enc:[a-z0-9]+:v[0-9]+:[^:"\\]+:/) ? substr(v, 1, RLENGTH) : "-" }
      /^"More" : / { print "@more", $3, key }') || return 1
    printf '%s\n' "$page" | grep -v '^@more' || true
    more=$(printf '%s\n' "$page" | grep '^@more') || return 1
    case $more in '@more true '*) last=${more#@more true }; from=$last ;; *) break ;; esac
  done; } | sort | uniq -c | awk '{ print $1, $2 }'
}
"#;

/// `apiserver`: the process of the API server on this machine, nothing when none listens. `mounted`: the folders that it sees as mounts,
/// asked of the kernel: what its manifest says may not run yet.
pub(crate) const MOUNTED: &str = r#"apiserver() { ss -Hltnp 'sport = :6443' | sed -n 's/.*("kube-apiserver",pid=\([0-9]*\),.*/\1/p'; }
mounted() { local pid; pid=$(apiserver); [ -z "$pid" ] || awk '{ print $5 }' "/proc/${pid%%[!0-9]*}/mountinfo" 2> /dev/null || true; }
"#;

/// `listens SOCKET`: whether somebody answers there. A plugin speaks gRPC and nothing else, so any answer to curl will do, but for a connection
/// that nobody takes, twice.
pub(crate) const LISTENS: &str = r#"listens() {
  local said
  [ -S "$1" ] || return 1
  for _ in 1 2; do said=0; curl -s -o /dev/null -m 3 --unix-socket "$1" http://kms/ || said=$?; [ "$said" = 7 ] || return 0; done
  return 1
}
"#;

/// After [`ADMIN`](crate::api::ADMIN). `metrics`: those of the API server on this machine. `loaded`: the sha256 of the configuration that it has loaded.
/// `since`: when it last loaded another one, in seconds since 1970; 0 when it has not since it started.
pub(super) const METRICS: &str = r#"metrics() { as_admin -f -m 30 https://kubernetes:6443/metrics | grep '^apiserver_encryption_config_controller_' || true; }
loaded() { metrics | sed -n 's/^apiserver_encryption_config_controller_last_config_info{.*hash="sha256:\([0-9a-f]\{64\}\)".*/\1/p'; }
since() { metrics | awk '/^apiserver_encryption_config_controller_automatic_reload_last_timestamp_seconds\{.*status="success"/ { s = sprintf("%.0f", $2) } END { print s + 0 }'; }
"#;

/// Prints the configuration with a fingerprint in place of each key. What might still hold one is not printed at all.
pub(super) fn redacted() -> String {
    format!(
        r#"exec 5< {FILE}; rest=$(< /dev/fd/5); q=$'\047' parts=() keys=()
re="(secret[\"$q]?[[:space:]]*:[[:space:]]*[\"$q]?)([A-Za-z0-9+/=_-]+)"
while [[ $rest =~ $re ]]; do
  whole=${{BASH_REMATCH[0]}}
  parts+=("${{rest%%"$whole"*}}${{BASH_REMATCH[1]}}") keys+=("${{BASH_REMATCH[2]}}"); rest=${{rest#*"$whole"}}
done
mapfile -t sums < <(sha256sum < /dev/fd/5; for key in "${{keys[@]}}"; do printf %s "$key" | base64 -d 2>/dev/null | sha256sum; done)
out=''; for i in "${{!parts[@]}}"; do out+="${{parts[i]}}${{sums[i + 1]:0:16}}"; done; out+=$rest
echo "${{sums[0]%% *}}"
if [[ $out =~ [A-Za-z0-9+/]{{22,}}={{1,2}} || $out =~ secret[\"$q]?[[:space:]]*:[[:space:]]*[^[:space:]0-9a-f\"$q] ]]; then echo '@hidden'; else printf '%s\n' "$out"; fi"#
    )
}
