"""Writes test/golden/ggml-blocks.json: random blocks of every GGML format that is read here, and the float32 bits that
gguf.quants makes of them (the Python package of llama.cpp).

Run from the repository root: python3 reference/make_ggml_golden.py   (gguf 0.19.0, NumPy 2.4.6 made the file kept)

All bytes of a block are random. The 16-bit floats in it are then set to ordinary values and to extreme ones: the
largest and the smallest, subnormal, negative, zeros of both signs. Infinity is left to a few blocks of its own.
"""

import base64
import hashlib
import json

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import dequantize

rng = np.random.default_rng(20261128)

# Where each format has its 16-bit floats.
HALVES = {
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0],
    "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
}
EXTREME = [0x7BFF, 0xFBFF, 0x0001, 0x8001, 0x03FF, 0x0400, 0x0000, 0x8000, 0x3C00]


def blocks(name):
    kind = GGMLQuantizationType[name]
    _, size = GGML_QUANT_SIZES[kind]
    count = 24 if size < 100 else 12
    data = rng.integers(0, 256, (count, size), dtype=np.uint8)
    for at in HALVES[name]:
        halves = rng.normal(0, 0.02, count).astype(np.float16).view(np.uint16)
        halves[: len(EXTREME)] = rng.permutation(EXTREME)
        data[:, at : at + 2] = halves.astype("<u2").view(np.uint8).reshape(count, 2)
    values = dequantize(data, kind)
    assert values.dtype == np.float32 and np.isfinite(values).all()
    return {
        "blocks": base64.b64encode(data.tobytes()).decode(),
        "values": base64.b64encode(values.astype("<f4").tobytes()).decode(),
    }


codes = np.arange(65536, dtype=np.uint16)
codes = codes[(codes & 0x7C00) != 0x7C00]
golden = {
    "formats": {name: blocks(name) for name in HALVES},
    # All finite binary16 in the order of their codes, as float32.
    "halves": hashlib.sha256(codes.view(np.float16).astype("<f4").tobytes()).hexdigest(),
}
with open("test/golden/ggml-blocks.json", "w") as file:
    json.dump(golden, file, indent=1)
    file.write("\n")
