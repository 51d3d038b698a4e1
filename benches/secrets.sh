#!/bin/bash
# secrets.sh KUBESTEAD: documents of sops, against the real sops in the same run: one file decrypted, 200 files, the memory that a file of
# 10 MB takes, and dotenv and INI files of 60,000 keys. The 200 files are decrypted and verified by one process here; sops has one process for each, as
# it has no other way.
set -euo pipefail
kubestead=$1
sops=$(bash "$(dirname "$0")/../scripts/sops.sh")
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
export KUBESTEAD_AGE_KEY_FILE=$dir/keys.txt SOPS_AGE_KEY_FILE=$dir/keys.txt HOME=$dir
cd "$dir"
"$kubestead" secret init --no-git > /dev/null 2>&1
for n in $(seq 200); do echo "value $n" | "$kubestead" secret new "secrets/s$n.yaml" --key password > /dev/null; done
# By another process than the one that measures: a child's largest size begins with that of its parent.
python3 - <<'PY'
import random
dice = random.Random(1)
text = lambda length: "".join(dice.choice("abcdefghijklmnopqrstuvwxyz0123456789") for _ in range(length))
with open("large.bin", "w") as file:
    file.write("\n".join(text(99) for _ in range(75_000)) + "\n")
with open("large.yaml", "w") as file:
    file.write("stringData:\n" + "".join(f"  key{n}: {text(700)}\n" for n in range(9_000)))
with open("many.env", "w") as file:
    file.write("".join(f"KEY{n}={text(20)}\n" for n in range(60_000)))
with open("many.ini", "w") as file:
    file.write("".join((f"[section{n // 100}]\n" if n % 100 == 0 else "") + f"key{n} = {text(20)}\n" for n in range(60_000)))
PY
python3 - "$kubestead" "$sops" <<'PY'
import os, subprocess, sys, time
kubestead, sops = sys.argv[1:]
def run(*command):
    begin = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    assert status == 0, command
    return time.monotonic() - begin, used.ru_maxrss / 1024
def median(values):
    return sorted(values)[len(values) // 2]
def pair(ours, theirs, times=201):
    # By turns, so that both meet the same machine.
    both = [(run(*ours), run(*theirs)) for _ in range(times)]
    return median([o[0] for o, _ in both]), median([t[0] for _, t in both]), max(o[1] for o, _ in both), max(t[1] for _, t in both)
ours, theirs, our_mb, their_mb = pair((kubestead, "secret", "get", "secrets/s1.yaml"), (sops, "decrypt", "secrets/s1.yaml"))
print(f"one file: {ours * 1000:.1f} ms, sops {theirs * 1000:.1f} ms: {theirs / ours:.1f}x (goal 10, limit 6)")
files = [f"secrets/s{n}.yaml" for n in range(1, 201)]
begin = time.monotonic()
for file in files:
    run(sops, "decrypt", file)
theirs = time.monotonic() - begin
ours = median([run(kubestead, "secret", "check", "secrets")[0] for _ in range(7)])
print(f"200 files: {ours * 1000:.0f} ms, sops {theirs * 1000:.0f} ms: {theirs / ours:.0f}x (limit 80)")
for name in ("large.bin", "large.yaml"):
    os.rename(name, f"secrets/{name}")
    subprocess.run([sops, "encrypt", "-i", f"secrets/{name}"], check=True)
    size = os.path.getsize(f"secrets/{name}") / 1e6
    ours, theirs, our_mb, their_mb = pair((kubestead, "secret", "get", f"secrets/{name}"), (sops, "decrypt", f"secrets/{name}"), 3)
    print(f"{name}, {size:.1f} MB: {our_mb:.0f} MB of memory (limit 30), sops {their_mb:.0f} MB; {ours * 1000:.0f} ms, sops {theirs * 1000:.0f} ms")
for name in ("many.env", "many.ini"):
    os.rename(name, f"secrets/{name}")
    subprocess.run([sops, "encrypt", "-i", f"secrets/{name}"], check=True)
    ours, theirs, our_mb, their_mb = pair((kubestead, "secret", "get", f"secrets/{name}"), (sops, "decrypt", f"secrets/{name}"), 5)
    print(f"{name}, 60,000 keys: {ours * 1000:.0f} ms, sops {theirs * 1000:.0f} ms: {theirs / ours:.1f}x (limit 1); {our_mb:.0f} MB of memory, sops {their_mb:.0f} MB")
PY
