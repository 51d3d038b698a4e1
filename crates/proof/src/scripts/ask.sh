# shellcheck shell=sh
# sh -c THIS QUESTIONS SERVER: asks a DNS server so many times over UDP, side by side, and says how many questions had no answer.
questions=$0 server=$1 lost=0 n=0 waits=''
while [ "$n" -lt "$questions" ]; do
  n=$((n + 1))
  /bin/busybox timeout 20 /bin/busybox nslookup -type=a kubernetes.default.svc.cluster.local "$server" > /dev/null 2>&1 &
  waits="$waits $!"
  if [ $((n % 10)) = 0 ]; then
    for one in $waits; do wait "$one" || lost=$((lost + 1)); done
    waits=''
  fi
done
echo "$lost"
