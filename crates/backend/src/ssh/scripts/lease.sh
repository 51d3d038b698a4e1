# shellcheck shell=bash disable=SC2154
# The lock of one writer: held while lines come, each of which is echoed. Without one for $silence seconds it is free again, so that a network
# that was lost does not hold it for as long as sshd takes to notice.
exec 9> /run/kubestead.lock
if ! flock -w 10 9; then
    echo '@@kubestead taken'
    exit
fi
echo '@@kubestead held'
while read -r -t "$silence" _; do
    echo
done
