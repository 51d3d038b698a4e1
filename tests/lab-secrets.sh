# A part of tests/lab.sh, read by it while the cluster stands: Secrets from sops files. Uses its functions and variables.
recipient=$(grep -m 1 '^age1' "$work/secrets/escrow/recipients")
value=value-$(head -c 12 /dev/urandom | od -An -tx1 | tr -d ' \n') # 30 bytes: its base64 is the begin of that of any text that begins with it
printf '%s\n%s\n' "$value" "$(printf %s "$value" | base64)" > "$work/value" # on no command line: those are looked through
as_admin="kubectl --kubeconfig /etc/kubernetes/admin.conf -n apps"
# secret NAME FILE KEY TEXT...: makes an encrypted file.
secret() {
  local name=$1 file=$work/secrets/$2; shift 2
  mkdir -p "$(dirname "$file")"
  printf %s "$2" | "$kubestead" secret new "$file" --name "$name" --namespace apps --key "$1"
  shift 2
  while [ $# -gt 0 ]; do printf %s "$2" | "$kubestead" secret set "$file" "stringData/$1"; shift 2; done
} > /dev/null 2>&1
(cd "$work" && "$kubestead" secret init) > /dev/null 2>&1
# live NAME KEY: the value in the cluster.
live() { on cp1 "$as_admin get secret $1 -o jsonpath='{.data.$2}'" | base64 -d; }
version() { on cp1 "$as_admin get secret $1 -o jsonpath='{.metadata.resourceVersion}'"; }
# The values must be the very bytes: no shell and no template reads them on the way.
exact() { live db password | cmp - <(printf '%s $HOME ${USER} `id`\n' "$value"); }
shows_no_value() { "$kubestead" plan --diff > "$work/shown" 2>&1 || true; "$kubestead" plan --output json >> "$work/shown" 2>&1 || true; "$kubestead" status --output json >> "$work/shown" 2>&1 || true; grep -q secret.apps.db "$work/shown" && ! grep -qF -f "$work/value" -e 'ENC[' "$work/shown"; }

echo "== secrets"
secret db db.yaml password "$value \$HOME \${USER} \`id\`"$'\n' user admin
secret other deep/other.yaml word other
expect "check reads the folder without a key" env KUBESTEAD_AGE_KEY_FILE=/none "$kubestead" check
expect "the plan names the values" says "make Secret apps/db from db.yaml, with the values password, user" plan
expect "and shows none" shows_no_value
expect "without an identity up says who could" fails_saying "$recipient" env -u XDG_CONFIG_HOME KUBESTEAD_AGE_KEY_FILE=/none HOME=/none "$kubestead" up
expect "and where it looked" grep -qF "/none/.config/sops/age/keys.txt (not there)" "$work/said"
expect "up" "$kubestead" up
expect "the value is there to the byte" exact
expect "etcd holds it as ciphertext" on cp1 "$etcd get /registry/secrets/apps/db > /run/probe && grep -qa k8s:enc:secretbox:v1:key1 /run/probe && ! grep -qaF -f - /run/probe" < "$work/value"
expect "no annotation holds it" on cp1 "$as_admin get secret db -o jsonpath='{.metadata.annotations}' > /run/probe; grep -q kubestead.io/digest /run/probe && ! grep -q last-applied /run/probe"
before=$(version db) kept=$(version other)
expect "the plan is empty" status 0 plan
expect "up changes nothing" says "Nothing to do" "$kubestead" up
expect "the object is the same" [ "$before" = "$(version db)" ]
printf root | "$kubestead" secret set "$work/secrets/db.yaml" stringData/user > /dev/null 2>&1
expect "after an edit one is to do" says "1 to do, 0 held" plan
expect "up" "$kubestead" up
expect "it has the new value" [ "$(live db user)" = root ]
expect "the other was not touched" [ "$kept" = "$(version other)" ]
on cp1 "$as_admin patch secret db -p '{\"stringData\":{\"user\":\"mallory\"}}'" > /dev/null
expect "what was changed by hand is told, with who did it" says "user was set by kubectl-patch" plan
expect "in the status too" says "1 in sync, 1 changed, 0 missing, 0 orphaned" "$kubestead" status
expect "up leaves it without consent" status 4 "$kubestead" up
expect "it is as it was set by hand" [ "$(live db user)" = mallory ]
expect "with consent it is overwritten" "$kubestead" up --yes cluster/secret.apps.db/overwrite
expect "it is as the file says" [ "$(live db user)" = root ]
# As people do it who fetch an object, change it and apply it: the annotation then holds all values.
on cp1 "$as_admin get secret db -o yaml | grep -v -e resourceVersion -e uid | $as_admin apply -f - 2>/dev/null; $as_admin get secret db -o yaml | grep -q last-applied" > /dev/null
expect "a copy of values in an annotation is told" says "left a copy of its values in an annotation" plan
expect "and shown by nobody" shows_no_value
expect "it is taken away" "$kubestead" up
expect "it is gone" on cp1 "! $as_admin get secret db -o yaml | grep -q last-applied"
expect "the plan is empty" status 0 plan
on cp1 "$as_admin create secret generic theirs --from-literal=word=theirs --from-literal=more=theirs" > /dev/null
secret theirs theirs.yaml word ours
expect "one that is not ours is told" says "take over Secret apps/theirs, which kubestead did not make" plan
expect "up leaves it without consent" status 4 "$kubestead" up
expect "it is as it was" [ "$(live theirs word)" = theirs ]
expect "with consent it is taken over" "$kubestead" up --yes cluster/secret.apps.theirs/adopt
expect "our value is ours, and the other one theirs" [ "$(live theirs word) $(live theirs more)" = "ours theirs" ]
rm "$work/secrets/theirs.yaml"
expect "what left the files is told" says "delete Secret apps/theirs, which is in no file any more" plan
expect "up leaves it without consent" status 4 "$kubestead" up
expect "it is still there" [ "$(live theirs word)" = ours ]
expect "with consent it goes" "$kubestead" up --yes cluster/secret.apps.theirs/delete
expect "it is gone" on cp1 "! $as_admin get secret theirs"
printf 'apiVersion: v1\nkind: Secret\nmetadata: {name: clear, namespace: apps}\nstringData: {a: b}\n' > "$work/secrets/clear.yaml"
expect "a Secret in the clear stops all" fails_saying "clear.yaml:4:17: error: a Secret that is not encrypted" "$kubestead" up
rm "$work/secrets/clear.yaml"
secret nowhere nowhere.yaml a b
sed -i 's/namespace: apps/namespace: nowhere/' "$work/secrets/nowhere.yaml"
expect "a namespace that is not there is held" says "there is no namespace nowhere" status 4 plan
rm "$work/secrets/nowhere.yaml"
expect "the plan is empty" status 0 plan
# Where the value must not be: the journal, what the runs said, and the control plane's logs, files and command lines.
traces() {
  printf '%s\n%s\n' "$1" "$(printf '%s' "$1" | base64)" > "$work/needles"
  grep -rqaF -f "$work/needles" "$work/state" "$work/said" "$work/out" "$work/shown" "$work/secrets" ||
    on cp1 "grep -rqaF -f - /var/log /run /etc /root /tmp /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null" < "$work/needles"
}
no_traces() { ! traces "$value"; }
expect "the value left no trace" no_traces
on cp1 "cat > /run/proof" < "$work/value"
expect "the search can find one" traces "$value"
on cp1 "rm /run/proof"
