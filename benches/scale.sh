#!/bin/bash
# scale.sh KUBESTEAD: large clusters: the engine with 200,000 steps, and `plan --facts` of 10,000 machines, of 500 machines with 60 volumes each, and of
# 10,000 persistent volumes, and of 2,000 objects of a user. crates/provision/benches/scale.rs makes the facts, of what machines of the lab answered.
set -euo pipefail
kubestead=$1
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
cargo bench --quiet --locked --profile dist -p kubestead-provision --bench scale -- "$dir"
python3 - "$kubestead" "$dir" <<'PY'
import os, sys, time
kubestead, folder = sys.argv[1:]

def plan(name):
    with open(f"{folder}/said", "wb") as said:
        begin = time.monotonic()
        child = os.spawnve(os.P_NOWAIT, "/bin/sh", ["sh", "-c", 'exec "$0" "$@" > "$SAID" 2>&1', kubestead, "plan", "-f", f"{folder}/{name}.yaml",
            "--facts", f"{folder}/{name}.json"], {**os.environ, "SAID": f"{folder}/said"})
        _, status, used = os.wait4(child, 0)
        seconds = time.monotonic() - begin
    text = open(f"{folder}/said").read()
    assert os.waitstatus_to_exitcode(status) in (0, 3, 4), text[:2000]
    return seconds, used.ru_maxrss / 1024, text.rstrip().rsplit("\n", 1)[-1]

for name, what, limits in (
    ("nodes", "10,000 machines where all is made", "1 s, 1000 MB"),
    ("fresh", "10,000 machines where nothing is made", "none"),
    ("volumes", "500 machines with 60 volumes each", "200 MB"),
    ("objects", "10,000 persistent volumes", "1 s"),
    ("users", "2,000 objects of a user", "1 s, 80 MB"),
):
    runs = [plan(name) for _ in range(3)]
    print(f"plan of {what}: {min(run[0] for run in runs):.2f} s, {max(run[1] for run in runs):.0f} MB (limit {limits}): {runs[0][2][:80]}")
PY
