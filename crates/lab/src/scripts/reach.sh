#!/bin/bash
# reach.sh ADDRESS PORT: carries bytes between standard input and output and a machine. The process that ssh ends is the one that reads from the
# machine, and it also ends when ssh is gone: a machine whose power was cut never closes its end, and what waits for it would keep the lab's network.
exec 3<> "/dev/tcp/$1/$2"
{ cat >&3; kill $$ 2> /dev/null; } <&0 > /dev/null &
exec cat <&3
