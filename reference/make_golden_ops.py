"""Writes test/golden/ops.json: small operands and the results of every op of src/tensor/ops.ts.

Run from the repository root: python3 reference/make_golden_ops.py   (NumPy 2.4.6 made the file kept)

Each op is computed the NumPy way, on purpose not the way the TypeScript reference does it: rotations
as complex numbers, products by einsum, cached attention as attention over the whole text. Operands
are multiples of 1/64, so they are exact in single precision and short in decimal.
"""

import json
import math
import os

import numpy as np

rng = np.random.default_rng(20261123)
goldens = []


def f32(*shape, low=-3.0, high=3.0):
    return rng.integers(int(low * 64), int(high * 64) + 1, shape).astype(np.float64) / 64


def i32(*shape, end):
    return rng.integers(0, end, shape).astype(np.int32)


def bools(*shape):
    return rng.integers(0, 2, shape).astype(bool)


def pack(x):
    x = np.asarray(x)
    dtype = {"f": "f32", "i": "i32", "b": "bool", "u": "u8"}[x.dtype.kind]
    flat = x.reshape(-1).tolist()
    if dtype == "f32":
        flat = [{np.inf: "inf", -np.inf: "-inf"}.get(v, v) for v in flat]
    if dtype == "bool":
        flat = [int(v) for v in flat]
    return {"dtype": dtype, "shape": list(x.shape), "data": flat}


def golden(op, inputs, outputs, **attrs):
    goldens.append(
        {
            "op": op,
            "attrs": attrs,
            "inputs": [pack(x) for x in inputs],
            "outputs": [pack(x) for x in outputs],
        }
    )


def log_sum_exp(x):
    return np.logaddexp.reduce(x, axis=-1)


def attend(q, k, v, bias, scale):
    scores = np.einsum("bhmd,bhnd->bhmn", q, k) * scale + bias
    probs = np.exp(scores - log_sum_exp(scores)[..., None])
    return np.einsum("bhmn,bhnd->bhmd", probs, v), probs


# Element-wise, each operand broadcasting once.
shapes = [((2, 3), (2, 3)), ((2, 1, 3), (4, 1)), ((), (3,))]
for a_shape, b_shape in shapes:
    a, b = f32(*a_shape), f32(*b_shape)
    away = np.where(np.abs(b) < 0.25, 0.5, b)
    golden("add", [a, b], [a + b])
    golden("sub", [a, b], [a - b])
    golden("mul", [a, b], [a * b])
    golden("div", [a, away], [a / away])
    golden("maximum", [a, b], [np.maximum(a, b)])
    n, m = i32(*a_shape, end=3), i32(*b_shape, end=3)
    golden("less", [n, m], [n < m])
    golden("equal", [n, m], [n == m])
    golden("less", [a, b], [a < b])
    golden("equal", [np.round(a), np.round(b)], [np.round(a) == np.round(b)])
    p, r = bools(*a_shape), bools(*b_shape)
    golden("and", [p, r], [p & r])
    golden("or", [p, r], [p | r])
    golden("where", [p, a, b], [np.where(p, a, b)])
    golden("where", [r, a, b], [np.where(r, a, b)])
for x in [f32(7), f32(2, 1, 3, low=-9, high=9)]:
    pos = np.abs(x) + 1 / 64
    golden("neg", [x], [-x])
    golden("abs", [x], [np.abs(x)])
    golden("exp", [x], [np.exp(x)])
    golden("log", [pos], [np.log(pos)])
    golden("sqrt", [pos], [np.sqrt(pos)])
    golden("reciprocal", [pos], [1 / pos])
    # tanh is another way to the logistic function.
    golden("sigmoid", [x], [(1 + np.tanh(x / 2)) / 2])
    golden("silu", [x], [x * (1 + np.tanh(x / 2)) / 2])
    for least in (1e-6, 0.5):
        root = np.copysign(np.sqrt(np.maximum(np.abs(x), least)), x)
        golden("signedSqrt", [x], [root], least=least)
    golden("cast", [x], [x.astype(np.int32)], to="i32")
    golden("cast", [np.round(x)], [np.round(x) != 0], to="bool")
    golden("cast", [x.astype(np.int32)], [x.astype(np.int32).astype(np.float64)], to="f32")
    golden("cast", [x > 0], [(x > 0).astype(np.float64)], to="f32")

# Layout.
x = f32(2, 3, 4)
golden("reshape", [x], [x.reshape(4, 6)], shape=[4, 6])
golden("transpose", [x], [x.transpose(2, 0, 1)], perm=[2, 0, 1])
y = i32(2, 3, 2, 2, end=99)
golden("transpose", [y], [y.transpose(0, 2, 1, 3)], perm=[0, 2, 1, 3])
golden("transpose", [y], [y.transpose(3, 1, 0, 2)], perm=[3, 1, 0, 2])
golden("slice", [x], [x[:, 1:3]], axis=1, start=1, end=3)
golden("slice", [x], [x[..., 3:]], axis=2, start=3, end=4)
golden("pad", [x], [np.pad(x, [(0, 0), (2, 1), (0, 0)])], axis=1, before=2, after=1)
z = f32(2, 2, 4)
golden("concat", [x, z, x], [np.concatenate([x, z, x], 1)], axis=1)
golden("split", [x], np.split(x, x.shape[1], 1), axis=1, parts=x.shape[1])
golden("broadcastTo", [f := f32(3, 1)], [np.broadcast_to(f, (2, 3, 2))], shape=[2, 3, 2])
for axes in [(0,), (2,), (0, 2), (0, 1, 2)]:
    golden("reduceSum", [x], [x.sum(axes, keepdims=True)], axes=list(axes))
    golden("reduceMean", [x], [x.mean(axes, keepdims=True)], axes=list(axes))

# Products: subscripts in place of transpose flags.
for trans_a, trans_b, rule in [
    (False, False, "...mk,...kn->...mn"),
    (True, False, "...km,...kn->...mn"),
    (False, True, "...mk,...nk->...mn"),
    (True, True, "...km,...nk->...mn"),
]:
    for batch in [(), (3,), (2, 2)]:
        a = f32(*batch, *((4, 2) if trans_a else (2, 4)))
        b = f32(*batch, *((3, 4) if trans_b else (4, 3)))
        golden("matmul", [a, b], [np.einsum(rule, a, b)], transA=trans_a, transB=trans_b)

# Rows.
table = f32(5, 3)
ids = i32(2, 4, end=5)
golden("gatherRows", [table, ids], [np.take(table, ids, axis=0)])
rows = f32(2, 4, 3)
total = np.zeros((6, 3))
np.add.at(total, ids, rows)
golden("scatterAddRows", [ids, rows], [total], numRows=6)

# Rows of logits, one with a masked and an extreme entry.
logits = f32(3, 4, low=-8, high=8)
logits[1, 2] = -np.inf
logits[2, 0] = 900
golden("softmax", [logits], [np.exp(logits - log_sum_exp(logits)[:, None])])

for eps, x in [(1e-6, f32(2, 3, 5)), (0.25, f32(4))]:
    gain = f32(x.shape[-1])
    width = x.shape[-1]
    r = np.sqrt(width / (np.linalg.norm(x, axis=-1, keepdims=True) ** 2 + width * eps))
    golden("rmsNorm", [x, gain], [x * r * gain, r], eps=eps)

# Rotation of the pairs (i, i + d/2): multiplication by cos + i sin.
x, cos, sin = f32(2, 2, 3, 6), f32(3, 3, low=-1, high=1), f32(3, 3, low=-1, high=1)
turned = (x[..., :3] + 1j * x[..., 3:]) * (cos + 1j * sin)
golden("rotary", [x, cos, sin], [np.concatenate([turned.real, turned.imag], -1)])

for b, h, m, n, d in [(2, 2, 3, 3, 4), (1, 3, 2, 5, 2)]:
    q, k, v, bias = f32(b, h, m, d), f32(b, h, n, d), f32(b, h, n, d), f32(b, 1, m, n)
    bias[rng.random(bias.shape) < 0.3] = -np.inf
    bias[..., 0] = 0
    golden("attention", [q, k, v, bias], attend(q, k, v, bias, 0.5), scale=0.5)


def cached(heads, key_heads, length, past, capacity, d=4, window=None):
    """A text of past + length positions, of which the last `length` are new: attention over all of
    it, then the rows of the new queries. The cache ends in stale numbers that must not matter."""
    b = len(past)
    k_cache, v_cache = f32(b, key_heads, capacity, d), f32(b, key_heads, capacity, d)
    q, k, v = f32(b, heads, length, d), f32(b, key_heads, length, d), f32(b, key_heads, length, d)
    k_next, v_next = k_cache.copy(), v_cache.copy()
    out = np.empty_like(q)
    for s, p in enumerate(past):
        end = p + length
        k_next[s, :, p:end] = k[s]
        v_next[s, :, p:end] = v[s]
        repeat = heads // key_heads
        keys = np.repeat(k_next[s : s + 1, :, :end], repeat, axis=1)
        values = np.repeat(v_next[s : s + 1, :, :end], repeat, axis=1)
        seen = np.tri(end) if window is None else np.tri(end) - np.tri(end, k=-window)
        causal = np.where(seen[p:], 0.0, -np.inf)
        out[s] = attend(q[s : s + 1], keys, values, causal, 0.75)[0][0]
    inputs = [q, k, v, k_cache, v_cache, np.array(past, np.int32)]
    limit = {} if window is None else {"window": window}
    golden("cachedAttention", inputs, [out, k_next, v_next], scale=0.75, **limit)


cached(2, 2, 3, [0], 5)
cached(4, 2, 2, [3, 3], 6)
cached(4, 2, 1, [0, 4, 2], 5)
cached(3, 1, 1, [3], 4)

for hidden, weight in [(f32(4, 3), f32(5, 3)), (f32(2, 3) * 64, f32(4, 3))]:
    labels = i32(hidden.shape[0], end=weight.shape[0])
    logits = np.einsum("nd,vd->nv", hidden, weight)
    normal = log_sum_exp(logits)
    loss = normal - logits[np.arange(len(labels)), labels]
    golden(
        "linearCrossEntropy", [hidden, weight, labels], [loss, np.exp(logits - normal[:, None])]
    )
probs, labels = f32(3, 4, low=0, high=1), i32(3, end=4)
golden("subtractOneHot", [probs, labels], [probs - np.eye(4)[labels]])

logits, labels = f32(4, 6, low=-9, high=9), i32(4, end=6)
normal = log_sum_exp(logits)
golden(
    "crossEntropy",
    [logits, labels],
    [normal - logits[np.arange(4), labels], np.exp(logits - normal[:, None])],
)

# Packed weights: made from their codes, where the reference takes packed bytes apart.
for bits in (4, 8):
    rows, blocks = 3, 2
    values = rng.integers(-(2 ** (bits - 1)), 2 ** (bits - 1), (rows, blocks, 32))
    scales = f32(rows, blocks)
    weight = (values * scales[:, :, None]).reshape(rows, -1)
    codes = (values + 2 ** (bits - 1)).reshape(rows, -1).astype(np.uint8)
    if bits == 4:
        codes = codes[:, 0::2] + 16 * codes[:, 1::2]
    x, ids = f32(2, 64), i32(2, 2, end=rows)
    golden("matmulQuantized", [x, codes, scales], [np.einsum("nk,mk->nm", x, weight)], bits=bits)
    golden("gatherRowsQuantized", [ids, codes, scales], [weight[ids]], bits=bits)

# Added later: behind the rest, so that it kept its numbers.
for x in [f32(7), f32(2, 1, 3, low=-9, high=9)]:
    erf = np.vectorize(math.erf)
    golden("erf", [x], [erf(x)])
    # erfc keeps what 1 + erf loses far to the left.
    golden("gelu", [x], [x * np.vectorize(math.erfc)(-x / math.sqrt(2)) / 2], approximate="none")
    inner = math.sqrt(8 / math.pi) * (x + 0.044715 * x**3)
    golden("gelu", [x], [x / (1 + np.exp(-inner))], approximate="tanh")
for eps, x in [(1e-5, f32(2, 3, 5)), (0.25, f32(4))]:
    gain, bias = f32(x.shape[-1]), f32(x.shape[-1])
    mean = np.mean(x, axis=-1, keepdims=True)
    r = 1 / np.sqrt(np.var(x, axis=-1, keepdims=True) + eps)
    golden("layerNorm", [x, gain, bias], [(x - mean) * r * gain + bias, mean, r], eps=eps)
x, cos, sin = f32(2, 2, 3, 7), f32(3, 2, low=-1, high=1), f32(3, 2, low=-1, high=1)
turned = (x[..., :2] + 1j * x[..., 2:4]) * (cos + 1j * sin)
golden("rotary", [x, cos, sin], [np.concatenate([turned.real, turned.imag, x[..., 4:]], -1)])
cached(4, 2, 5, [0], 8, window=3)
cached(4, 2, 2, [3, 3], 6, window=2)
cached(4, 2, 1, [0, 4, 2], 5, window=1)

path = os.path.join(os.path.dirname(__file__), "..", "test", "golden", "ops.json")
with open(path, "w") as file:
    file.write("[\n" + ",\n".join(json.dumps(g) for g in goldens) + "\n]\n")
print(f"{len(goldens)} goldens, {os.path.getsize(path)} bytes, NumPy {np.__version__}")
