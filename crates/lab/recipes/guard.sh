#!/bin/bash
# guard.sh COMMAND...: runs a command in this process group, and ends the whole group when standard input closes: then whoever asked for
# it is gone, by Ctrl-C, a kill or a crash.
exec 3<&0 < /dev/null
"$@" 3<&- & command=$!
( read -r _ <&3; kill -KILL 0 ) & watch=$!
wait "$command"; status=$?
kill "$watch"
exit "$status"
