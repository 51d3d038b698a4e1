# python3 join.py SHARE1.txt SHARE2.txt > identity.txt     (each file with the numbered lines of one share)
import sys
ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
def times(a, b):
    p = 0
    while b:
        p ^= a * (b & 1)
        a = a << 1 ^ 0x11b * (a >> 7)
        b >>= 1
    return p
def over(a):
    return next(b for b in range(256) if times(a, b) == 1)
def read(name):
    whole = b""
    for line in open(name):
        number, _, rest = line.partition(":")
        if number.strip().isdigit():
            letters = [c for c in rest.lower() if c in ALPHABET][:-2]
            bits = "".join(format(ALPHABET.index(c), "05b") for c in letters)
            whole += bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits) - 7, 8))
    return whole[7:-4]
shares = [read(name) for name in sys.argv[1:]]
text = ""
for at in range(len(shares[0]) - 1):
    byte = 0
    for share in shares:
        weight = share[at]
        for other in shares:
            if other[-1] != share[-1]:
                weight = times(weight, times(other[-1], over(other[-1] ^ share[-1])))
        byte ^= weight
    text += chr(byte)
print(text)
