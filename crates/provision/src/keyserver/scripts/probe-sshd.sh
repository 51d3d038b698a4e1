# shellcheck shell=bash disable=SC2154
# What sshd takes for the account. Where the configuration tells addresses apart it is asked for each of the first hundred, else for one.
addresses=("${addresses[@]:0:100}")
if ! grep -rqiE '^[[:space:]]*Match[[:space:]].*(Address|Host)' /etc/ssh/sshd_config /etc/ssh/sshd_config.d 2> /dev/null; then
    addresses=("${addresses[0]}")
fi
wanted='^(allowusers|denyusers|allowgroups|denygroups|pubkeyacceptedalgorithms|pubkeyacceptedkeytypes|usepam|usedns|persourcepenalties)[[:space:]]'
for address in "${addresses[@]}"; do
    if ! said=$(sshd -T -C "user=$user,host=$address,addr=$address" 2>&1); then
        printf 'failed %s\n' "$said"
        exit 0
    fi
    printf 'from %s\n' "$address"
    grep -iE "$wanted" <<< "$said"
done
true
