#!/bin/bash
# Never ends, and what it started does not either: one that is below it, one in a session of its own, one that has lost its parent and hears nothing.
sleep 1000 & echo "pid $!"
setsid sleep 1000 & echo "pid $!"
(setsid bash -c 'trap "" TERM; echo "pid $$"; while :; do sleep 1; done' &)
echo "folder $TMPDIR"
wait
