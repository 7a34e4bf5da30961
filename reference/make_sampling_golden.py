"""Writes test/golden/sampling.json: logits, settings and the chances that vLLM's sampler leaves.

Run from the repository root: python3 reference/make_sampling_golden.py   (NumPy 2.4.6 made the file kept)

The steps are those of vllm/v1/sample (sampler.py, ops/penalties.py, logits_processor/builtin.py,
ops/topk_topp_sampler.py), in its order and in its way: everything is a mask over logits sorted upwards, and each
filter takes the softmax anew. Written from what those files do, in float64; no line of them is here. Ids and
logits are chosen so that no two logits are equal and no chance lies near a filter's edge, and in `cases` of several
filters so that another order would keep another set (the script checks that).
"""

import itertools
import json

import numpy as np


def softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


def bias(x, s):
    x = x.copy()
    for i, b in s.get("logitBias", []):
        x[i] += b
    return x


def penalties(x, s):
    x = x.copy()
    history, prompt = s["history"], s.get("promptLength", 0)
    seen = np.isin(np.arange(len(x)), history)
    counts = np.bincount(np.array(history[prompt:], dtype=int), minlength=len(x))
    r = s.get("repetitionPenalty", 1)
    x = np.where(seen, np.where(x > 0, x / r, x * r), x)
    x -= s.get("frequencyPenalty", 0) * counts
    x -= s.get("presencePenalty", 0) * (counts > 0)
    return x


def temperature(x, s):
    return x / s.get("temperature", 1)


def min_p(x, s):
    p = softmax(x)
    return np.where(p < p.max() * s.get("minP", 0), -np.inf, x)


def top_k(x, s):
    k = s.get("topK", 0) or len(x)
    return np.where(x < np.sort(x)[len(x) - k], -np.inf, x)


def top_p(x, s):
    order = np.argsort(x)
    drop = np.cumsum(softmax(x[order])) <= 1 - s.get("topP", 1)
    drop[-1] = False
    x = x.copy()
    x[order[drop]] = -np.inf
    return x


STEPS = (bias, penalties, temperature, min_p, top_k, top_p)


def chances(x, s, steps=STEPS):
    for step in steps:
        x = step(x, s)
    return softmax(x)


rng = np.random.default_rng(20261128)
settings = [
    {"topP": 0.8, "minP": 0.12},
    {"topP": 0.6, "minP": 0.3, "temperature": 1.4},
    {"topK": 5, "topP": 0.75, "minP": 0.1, "temperature": 1.2},
    {"topK": 4, "topP": 0.8},
    {"topK": 6, "minP": 0.15, "temperature": 0.8},
    {"topP": 0.7, "minP": 0.1, "temperature": 1.3, "repetitionPenalty": 1.4, "presencePenalty": 0.5,
     "frequencyPenalty": 0.3, "promptLength": 3, "logitBias": [[2, 1.25], [7, -100]]},
    {"repetitionPenalty": 1.6, "logitBias": [[4, 1.5], [5, -2.0]], "frequencyPenalty": 0.4},
]
cases = []
for s in settings:
    filters = [f for f, key in ((min_p, "minP"), (top_k, "topK"), (top_p, "topP")) if key in s]
    orders = list(itertools.permutations(filters))
    hugging_face = [f for f in (top_k, top_p, min_p) if f in filters]
    while True:
        x = rng.integers(-160, 161, 14) / 64
        case = {**s, "history": rng.integers(0, 14, 7).tolist()}
        p = chances(x, case)
        if len(set(x.tolist())) < 14 or (p > 0).sum() < 2 or min(p[p > 0]) < 0.015:
            continue
        others = [chances(x, case, (bias, penalties, temperature, *o)) for o in orders]
        differ = "minP" in s and "topP" in s
        if differ and (chances(x, case, (bias, penalties, temperature, *hugging_face)) > 0).sum() == (p > 0).sum():
            continue
        if len(filters) > 1 and "topP" in s and all(((o > 0) == (p > 0)).all() for o in others):
            continue
        # No edge within a hundredth: rounding must not decide.
        near = [chances(x, {**case, key: case[key] * f}) > 0
                for key in ("topP", "minP") if key in s for f in (0.99, 1.01)]
        if any((n != (p > 0)).any() for n in near):
            continue
        break
    cases.append({"logits": x.tolist(), "settings": case, "chances": [round(float(v), 12) for v in p]})

with open("test/golden/sampling.json", "w") as out:
    json.dump({"numpy": np.__version__, "cases": cases}, out)
    out.write("\n")
