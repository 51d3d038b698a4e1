#!/bin/bash
# init.sh KUBESTEAD: `init` of 20 machines against one `plan` of the file that it wrote, in the same run. Each has a real sshd to log in to, a host name
# and a machine-id of its own, and else what this machine is. Needs root, sshd (openssh-server), python3.
set -euo pipefail
# shellcheck source=benches/machines.sh
. "${0%/*}/machines.sh"
alone "$@"
kubestead=$1
COUNT=20
cat > "$work/machine" <<'SH'
hostname "m$2"
[ ! -e /etc/machine-id ] || mount --bind "$1/id$2" /etc/machine-id
exec bash -c "$SSH_ORIGINAL_COMMAND"
SH
for n in $(seq "$COUNT"); do
  printf '%032x\n' "$n" > "$work/id$n"
  printf 'Match LocalAddress 10.99.1.%s\n  ForceCommand exec unshare --uts --mount bash %s/machine %s %s\n' "$n" "$work" "$work" "$n"
done > "$work/matches"
machines < "$work/matches"
python3 - "$kubestead" "$work" "$COUNT" <<'PY'
import shutil, subprocess, sys, time
kubestead, work, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
TIMES, LIMIT = 3, 1.5
folder = f"{work}/home"
addresses = [f"10.99.1.{n}" for n in range(1, count + 1)]

def timed(good, *words):
    begin = time.monotonic()
    done = subprocess.run([kubestead, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    seconds = time.monotonic() - begin
    assert done.returncode in good, f"{words}: {done.returncode}\n{done.stdout[:4000]}"
    return seconds, done.stdout

def init():
    shutil.rmtree(folder, ignore_errors=True)
    seconds, said = timed([0], "init", *addresses, "--no-volumes", "--yes", "--ssh-config", f"{work}/config", "--dir", folder)
    with open(f"{folder}/cluster.yaml") as file:
        assert file.read().count("address: 10.99.1.") == count, said[:4000]
    return seconds

def plan():
    # Something is held on most machines that benches run on: a package that is missing.
    seconds, said = timed([3, 4], "plan", "-f", f"{folder}/cluster.yaml", "--trust-ssh-config")
    assert "no connection" not in said and "m20" in said, said[:4000]
    return seconds

init(), plan()
pairs = [(init(), plan()) for _ in range(TIMES)]
made, planned = (min(pair[side] for pair in pairs) for side in (0, 1))
print(f"{count} machines: plan {planned:.2f} s, init {made:.2f} s, ratio {made / planned:.2f} (limit {LIMIT})")
PY
