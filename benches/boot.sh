#!/bin/bash
# boot.sh KUBESTEAD: the minute after a power cut. All machines of the lab are off; from their power-on, the seconds until the API server says that it is
# ready, and until every pod is, each with containers that started after it. On machines of its own; on the cluster of KUBESTEAD_LAB_DIR where it is set.
set -euo pipefail
kubestead=$1
if [ -z "${KUBESTEAD_LAB_DIR:-}" ]; then
  . "$(dirname "$0")/own-lab.sh"
  "$kubestead" up > "$work/log" 2>&1 < /dev/null || { tail -n 20 "$work/log"; exit 1; }
fi
config=$("$kubestead" lab up 2> /dev/null)
# MACHINE COMMAND: a machine that is not up yet fails at once.
on() { timeout -k 1 20 ssh -F "$config" -o BatchMode=yes -o ConnectTimeout=3 "$@" 2> /dev/null; }
# What says when it began is the machine's clock, which is this computer's.
all_started='
import datetime, json, sys
begin, pods = int(sys.argv[1]), json.load(sys.stdin)["items"]
def runs(container):
    started = container.get("state", {}).get("running", {}).get("startedAt", "1970-01-01T00:00:00Z")
    return container["ready"] and datetime.datetime.fromisoformat(started.replace("Z", "+00:00")).timestamp() >= begin
containers = [pod["status"].get("containerStatuses", []) for pod in pods]
sys.exit(0 if pods and all(each and all(map(runs, each)) for each in containers) else 1)
'
restarted() { on cp1 "kubectl --kubeconfig /etc/kubernetes/admin.conf get pods -A -o json" | python3 -c "$all_started" "$begin" 2> /dev/null; }
# until SECONDS COMMAND...: when it first succeeds.
until_so() { end=$((begin + $1)); shift; until "$@"; do [ "$(date +%s)" -lt "$end" ] || { echo "not in time: $*"; exit 1; }; sleep 0.5; done; }
"$kubestead" lab down > /dev/null 2>&1
begin=$(date +%s)
"$kubestead" lab up > /dev/null 2>&1 & power=$!
until_so 300 on cp1 "curl -sfk -o /dev/null --max-time 2 https://127.0.0.1:6443/readyz"
api=$(($(date +%s) - begin))
until_so 600 restarted
echo "from power-on to the API's readiness $api s (limit 45), to every pod's $(($(date +%s) - begin)) s (limit 70)"
wait "$power"
