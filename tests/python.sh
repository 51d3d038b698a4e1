#!/bin/bash
# The Python module, loaded by Python: good and bad files, errors as exceptions. Needs: python3, and a built libkubestead_py.so.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
cp "${CARGO_TARGET_DIR:-$top/target}/debug/libkubestead_py.so" "$dir/kubestead.so"
PYTHONPATH=$dir python3 - "$top/examples/three-nodes/cluster.yaml" "$dir" <<'PY'
import sys, pathlib, kubestead
good, tmp = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
assert kubestead.check(good) == []
bad = tmp / "bad.yaml"
bad.write_text("apiVersion: kubestead/v1\nkind: Cluster\nnmae: home\n")
found = kubestead.check(bad)
typo = [d for d in found if "nmae" in d["message"]]
assert len(found) >= 2 and typo[0]["place"]["line"] == 3 and "name" in typo[0]["hint"], found
for call, error in [(lambda: kubestead.plan(bad), ValueError), (lambda: kubestead.check(tmp / "none"), OSError), (lambda: kubestead.up(good), TypeError)]:
    try:
        call()
    except error:
        continue
    raise AssertionError(f"{error} was expected")
# The folder of secrets is read too, and a value is not shown.
with_secrets = tmp / "s" / "cluster.yaml"
(tmp / "s" / "secrets").mkdir(parents=True)
with_secrets.write_text("apiVersion: kubestead/v1\nkind: Cluster\nname: a\nkubernetes: {version: 1.37.1, bundle: b}\nnodes:\n- {name: n1, address: 192.0.2.1, roles: [control-plane]}\n")
assert kubestead.check(with_secrets) == []
(tmp / "s" / "secrets" / "clear.yaml").write_text("kind: Secret\nstringData: {a: canary}\n")
found = kubestead.check(with_secrets)
errors = [d for d in found if d["severity"] == "error"]
assert len(errors) == 1 and errors[0]["place"]["line"] == 2 and "canary" not in str(found), found
assert any("there is no bundle yet" in d["message"] for d in found), found
# What an ssh configuration of the repository would run is not run.
untrusted = tmp / "untrusted.yaml"
untrusted.write_text("apiVersion: kubestead/v1\nkind: Cluster\nname: a\nnodes:\n- {name: n1, address: 127.0.0.1, roles: [control-plane]}\nssh: {config: proxy}\n")
(tmp / "proxy").write_text(f"Host *\n  ProxyCommand touch {tmp}/ran\n")
assert kubestead.check(untrusted) == []
try:
    kubestead.plan(untrusted)
    raise AssertionError("ValueError was expected")
except ValueError as error:
    assert "proxy:2: ProxyCommand" in str(error), error
assert not (tmp / "ran").exists()
# A machine that does not answer is held, and told to the callback.
alone = tmp / "alone.yaml"
alone.write_text("apiVersion: kubestead/v1\nkind: Cluster\nname: a\nnodes:\n- {name: n1, address: 127.0.0.1, roles: [control-plane]}\nssh: {config: ssh}\n")
(tmp / "ssh").write_text("Host *\n  Port 1\n")
events = []
plan = kubestead.plan(alone, on_event=events.append, save_facts=tmp / "facts.json")
assert plan["steps"] == [] and plan["held"][0]["unreachable"], plan
# What was seen, planned from again without a connection.
recalled = kubestead.recall(alone, tmp / "facts.json")
assert recalled.pop("factsOf").startswith("20") and recalled == plan, recalled
assert any(e["event"] == "seen" and e["gap"] for e in events), events
print("python: all passed")
PY
