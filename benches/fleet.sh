#!/bin/bash
# fleet.sh KUBESTEAD: `plan` over many machines against one fresh ssh each, 64 at once, in the same run: 50 and 200 machines, and 200 of which 20 are
# dead. The machines are addresses of a network namespace of its own in which one real sshd listens. Needs root, sshd (openssh-server), nft, python3.
set -euo pipefail
# shellcheck source=benches/machines.sh
. "${0%/*}/machines.sh"
alone "$@"
kubestead=$1
machines < /dev/null
nft add table inet bench
nft add chain inet bench input '{ type filter hook input priority 0; }'
python3 - "$kubestead" "$work" <<'PY'
import os, resource, subprocess, sys, time
from concurrent.futures import ThreadPoolExecutor
kubestead, work = sys.argv[1:]
TIMES = 3

def address(n):
    return f"10.99.{1 + n // 200}.{1 + n % 200}"

def floor(count):
    def one(n):
        subprocess.run(["ssh", "-F", f"{work}/config", "-o", "BatchMode=yes", address(n), "true"], check=True, stdin=subprocess.DEVNULL)
    begin = time.monotonic()
    with ThreadPoolExecutor(64) as pool:
        list(pool.map(one, range(count)))
    return time.monotonic() - begin

def plan(count):
    role = lambda n: "worker" if n else "control-plane"
    nodes = "".join(f"  - {{name: n{n}, address: {address(n)}, roles: [{role(n)}]}}\n" for n in range(count))
    folder = f"{work}/{count}"
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/cluster.yaml", "w") as out:
        out.write(f"apiVersion: kubestead/v1\nkind: Cluster\nname: bench\nssh: {{config: {work}/config}}\nnodes:\n{nodes}")
    begin = time.monotonic()
    with open(f"{folder}/said", "w") as said:
        done = subprocess.run([kubestead, "plan", "-f", f"{folder}/cluster.yaml"], stdout=said, stderr=said, stdin=subprocess.DEVNULL)
    seconds = time.monotonic() - begin
    assert done.returncode not in (1, 2), open(f"{folder}/said").read()[:2000]
    return seconds

for count, limit in ((50, 1.2), (200, 1.3)):
    floor(count)
    pairs = [(floor(count), plan(count)) for _ in range(TIMES)]
    least, own = (min(pair[side] for pair in pairs) for side in (0, 1))
    print(f"{count} machines: ssh {least:.2f} s, plan {own:.2f} s, ratio {own / least:.2f} (limit {limit})")
text = open(f"{work}/200/said").read()
assert "no connection" not in text, text[:2000]
print(f"memory of the largest program: {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024} MB (limit 100)")
dead = ", ".join(address(n) for n in range(180, 200))
subprocess.run(["nft", "add", "rule", "inet", "bench", "input", "ip", "daddr", f"{{ {dead} }}", "drop"], check=True)
seconds = plan(200)
lost = open(f"{work}/200/said").read().count("no connection")
print(f"200 machines, 20 of them dead: {seconds:.1f} s (a connect limit is 20 s), {lost} told")
PY
