#!/bin/bash
# guard.sh COMMAND...: runs a command in this process group, and ends the whole group when standard input closes: then whoever asked for
# it is gone, by Ctrl-C, a kill or a crash. The group has two seconds to clean up after itself.
exec 3<&0 < /dev/null
"$@" 3<&- & command=$!
( trap '' TERM; read -r _ <&3; kill -TERM 0; sleep 2; kill -KILL 0 ) & watch=$!
wait "$command"; status=$?
kill -KILL "$watch"
exit "$status"
