"""Writes test/golden/python.json: what Python itself says where the harness' figures depend on it.

    python reference/make_python_golden.py
"""

import json
import math
import random
import re
import sys

SEEDS = [0, 1, 1234, 2**31 + 7, 2**32 - 1, 2**32, 2**40 + 5]
SIZES = [(1, 1), (5, 2), (10, 10), (21, 3), (22, 3), (100, 6), (5000, 7), (100, 25), (1000, 100)]
TEXTS = ["", " ", "a", " a b ", "a\u2003\tb\x1cc\x85d\ufeffe \n", "x\u200by", "a\n\n b\x0b"]


def draws(seed):
    rnd = random.Random(seed)
    return {
        "seed": seed,
        "random": [rnd.random() for _ in range(5)],
        "samples": [{"n": n, "k": k, "drawn": rnd.sample(range(n), k)} for n, k in SIZES],
        "choices": sum(rnd.choices(list(range(1000)), k=1000)),
        "after700": [rnd.random() for _ in range(700)][-1],
    }


golden = {
    "python": sys.version.split()[0],
    "random": [draws(seed) for seed in SEEDS],
    "spaces": [code for code in range(0x10000) if chr(code).isspace()],
    "texts": [
        {
            "text": text,
            "rstrip": text.rstrip(),
            "lstrip": text.lstrip(),
            "strip": text.strip(),
            "words": len(re.split(r"\s+", text)),
        }
        for text in TEXTS
    ],
    "lengths": [{"text": text, "length": len(text)} for text in ["", "é", "日本", "🐈x", "e\u0301"]],
    "twoSided": [{"z": z, "p": math.erfc(z / math.sqrt(2))} for z in [0, 0.1, 1, 1.96, 2.9, 3, 5, 12]],
}
with open("test/golden/python.json", "w", encoding="utf-8") as file:
    json.dump(golden, file, indent=1)
    file.write("\n")
