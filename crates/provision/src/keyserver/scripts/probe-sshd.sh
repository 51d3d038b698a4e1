# shellcheck shell=bash disable=SC2154
# What sshd takes for the account. Where the configuration tells addresses apart it is asked for each of the first hundred, else for one.
# `unincluded` stands ahead when the configuration in `base` does not take in the files of sshd_config.d, just as setup.sh looks.
here='^[[:space:]]*include[[:space:]]+"?([^[:space:]"]*/)?sshd_config\.d/\*\.conf'
unincluded=yes
while IFS= read -r line || [ -n "$line" ]; do
    if [[ ${line,,} =~ $here ]]; then unincluded=; fi
done < "$base/sshd_config"
[ -z "$unincluded" ] || echo unincluded
addresses=("${addresses[@]:0:100}")
if ! grep -rqiE '^[[:space:]]*Match[[:space:]].*(Address|Host)' "$base/sshd_config" "$base/sshd_config.d" 2> /dev/null; then
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
