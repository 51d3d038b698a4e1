#!/bin/bash
# authority.sh FOLDER NAMES: an authority (ca.crt), and the key and certificate of a server (key, crt) for the names, as openssl writes them.
set -euo pipefail
cd "$1"
new() { openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "$@" 2> /dev/null; }
new -keyout ca.key -out ca.crt -subj /CN=authority
new -keyout key -out crt -subj /CN=server -CA ca.crt -CAkey ca.key -addext "subjectAltName=$2" -addext basicConstraints=critical,CA:FALSE
