"""bounded.py MEGABYTES PROGRAM ARGUMENT...: runs a program, and fails if it needed as much memory."""
import resource
import subprocess
import sys

subprocess.run(sys.argv[2:])
used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
print(used, "MB")
assert used < int(sys.argv[1])
