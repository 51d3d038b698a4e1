"""from_python.py plan|up: by the Python module, the plan is empty, or `up` has nothing left to do."""
import os
import sys

import kubestead

path = os.environ["KUBESTEAD_FILE"]
if sys.argv[1] == "plan":
    plan = kubestead.plan(path, trust_ssh_config=True)
    assert plan["steps"] == plan["held"] == [], plan
else:
    result = kubestead.up(path, trust_ssh_config=True, identity=os.environ["KUBESTEAD_AGE_KEY_FILE"])
    assert result["settled"], result
