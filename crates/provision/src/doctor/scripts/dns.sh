# shellcheck shell=bash disable=SC2154
# Asks each of "servers" for a name, over UDP and over TCP: `udp SERVER ASKED µs...` and `tcp SERVER ASKED µs...`, with a time for each answer that came,
# and `answer SERVER BYTES`, in hex, of one that came over UDP. "query" is what is asked, as printf(1) takes it, and "framed" the same with its length ahead;
# "udp" and "tcp" say how often. Bash itself is the client: it is on every machine, and what it takes is the network's time. `offload` tells
# whether the checksums of "tunnel" are left to the interface.
now() { time=${EPOCHREALTIME/[.,]/}; }
# What bash prints it writes line by line, and each write is a datagram: a query that holds an end of line goes through dd.
send() {
  case $query in
    *'\x0a'*) printf "$query" | dd bs=512 iflag=fullblock status=none >&"$socket" ;;
    *) printf "$query" >&"$socket" ;;
  esac 2> /dev/null
}
# Each query is a flow of its own, as those of programs are.
by_udp() {
  { exec {socket}<> "/dev/udp/$1/53"; } 2> /dev/null || return 1
  now
  before=$time
  send && IFS= read -r -t 1 -n 1 -u "$socket" _
  local status=$?
  now
  exec {socket}>&-
  took=$((time - before))
  return "$status"
}
by_tcp() {
  took=''
  read -r -t 2 took < <(
    now
    before=$time
    { exec {socket}<> "/dev/tcp/$1/53"; } 2> /dev/null || exit 1
    printf "$framed" >&"$socket"
    IFS= read -r -t 2 -n 1 -u "$socket" _ || exit 1
    now
    echo "$((time - before))"
  )
  local status=$?
  kill "$!" 2> /dev/null
  return "$status"
}
# tries WAY SERVER MOST: ends early when nothing comes at all, and after five seconds in any case.
tries() {
  local asked=0 row=0 took=0 times=() end=$((SECONDS + 5))
  while [ "$asked" -lt "$3" ] && [ "$row" -lt 4 ] && [ "$SECONDS" -lt "$end" ]; do
    asked=$((asked + 1))
    if "by_$1" "$2"; then
      times+=("$took")
      row=0
    else
      row=$((row + 1))
    fi
  done
  echo "$1 $2 $asked ${times[*]}"
}
for server in "${servers[@]}"; do
  tries udp "$server" "$udp"
  tries tcp "$server" "$tcp"
  { exec {socket}<> "/dev/udp/$server/53"; } 2> /dev/null || continue
  send
  echo "answer $server $(timeout 2 dd bs=512 count=1 status=none <&"$socket" 2> /dev/null | od -A n -v -t x1 | tr -d ' \n')"
  exec {socket}>&-
done
if command -v ethtool > /dev/null; then
  echo "offload $(ethtool -k "$tunnel" 2> /dev/null | sed -n 's/^tx-checksum-ip-generic: \([a-z]*\).*/\1/p')"
else
  echo 'offload unknown'
fi
