"""in_images.py NEEDLES IMAGE...: whether a line of NEEDLES is anywhere in an image (status 0), or not (1). Only what was written is read of sparse images."""
import os
import sys

needles = [line.encode() for line in open(sys.argv[1]).read().split("\n") if line]
found = False
for path in sys.argv[2:]:
    with open(path, "rb") as image:
        at, end, tail = 0, os.fstat(image.fileno()).st_size, b""
        while at < end:
            try:
                at = os.lseek(image.fileno(), at, os.SEEK_DATA)
            except OSError:
                break
            hole = os.lseek(image.fileno(), at, os.SEEK_HOLE)
            tail = b""
            while at < hole:
                block = os.pread(image.fileno(), min(1 << 24, hole - at), at)
                if not block:
                    break
                for needle in needles:
                    if needle in tail + block:
                        print(f"{path}: needle {needles.index(needle)} before {at + len(block)}")
                        found = True
                tail, at = block[-200:], at + len(block)
sys.exit(0 if found else 1)
