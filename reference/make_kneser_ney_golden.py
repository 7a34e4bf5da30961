"""Writes test/golden/kneser-ney.json: what interpolated Kneser-Ney gives tokens of a text, alone and mixed with a model.

Run from the repository root: python3 reference/make_kneser_ney_golden.py   (NumPy 2.4.6 made the file kept)

Written from the formulas (Kneser and Ney 1995; Chen and Goodman 1998), with plain sets and fractions of integers, top
down: the highest order counts occurrences, each lower one the different words that stand before its n-grams in the
n-grams of the order above. One discount an order, n1 / (n1 + 2 n2). The text is drawn from a chain that repeats itself,
so that n-grams of every order come often, once and never.
"""

import json
import math
from collections import defaultdict

import numpy as np

V = 30
random = np.random.default_rng(7)


def draw(length, noise):
    """Words follow one of three others mostly; some are anything."""
    text = [0]
    while len(text) < length:
        last = text[-1]
        if random.random() < noise:
            text.append(int(random.integers(V - 2)))
        else:
            text.append(int((3 * last + random.choice([1, 4, 9], p=[0.7, 0.2, 0.1])) % (V - 2)))
    return text


def windows(text, n):
    return [tuple(text[i : i + n]) for i in range(len(text) - n + 1)]


def kneser_ney(text, order):
    counts = {order: defaultdict(int)}
    for ngram in windows(text, order):
        counts[order][ngram] += 1
    for n in range(order - 1, 0, -1):
        before = defaultdict(set)
        for ngram in counts[n + 1]:
            before[ngram[1:]].add(ngram[0])
        counts[n] = {ngram: len(words) for ngram, words in before.items()}
    discounts = {}
    for n, found in counts.items():
        n1 = sum(c == 1 for c in found.values())
        n2 = sum(c == 2 for c in found.values())
        discounts[n] = n1 / (n1 + 2 * n2) if n1 + n2 else 0.75
    followers = {n: defaultdict(dict) for n in counts}
    for n, found in counts.items():
        for ngram, c in found.items():
            followers[n][ngram[:-1]][ngram[-1]] = c

    def p(history, word, n=order):
        if n == 0:
            return 1 / V
        lower = p(history, word, n - 1)
        context = tuple(history[len(history) - n + 1 :]) if n > 1 else ()
        if n > 1 and len(history) < n - 1 or context not in followers[n]:
            return lower
        words = followers[n][context]
        total = sum(words.values())
        d = discounts[n]
        return max(words.get(word, 0) - d, 0) / total + d * len(words) / total * lower

    return p


def mixed(model, counted):
    half = len(model) // 2
    weights = np.linspace(0, 0.6, 61)
    out = []
    for fit, use in ((slice(half, None), slice(0, half)), (slice(0, half), slice(half, None))):
        losses = [-np.log((1 - w) * model[fit] + w * counted[fit]).mean() for w in weights]
        w = weights[int(np.argmin(losses))]
        out.append((float(w), (-np.log((1 - w) * model[use] + w * counted[use])).tolist()))
    return {"weights": [w for w, _ in out], "nats": out[0][1] + out[1][1]}


trained, scored = draw(4000, 0.15), draw(600, 0.25)
# Words that training never saw, and the last of the vocabulary.
scored[300:304] = [V - 1, V - 2, V - 1, V - 2]
at = list(range(1, len(scored)))
model = random.uniform(0.01, 0.6, size=len(at))
cases = []
for order in (2, 3, 4, 5):
    p = kneser_ney(trained, order)
    counted = np.array([p(scored[max(0, i - order + 1) : i], scored[i]) for i in at])
    cases.append(
        {
            "order": order,
            "nats": [round(-math.log(x), 10) for x in counted],
            "mixed": mixed(model, counted),
        }
    )
with open("test/golden/kneser-ney.json", "w") as file:
    json.dump(
        {
            "vocabSize": V,
            "trained": trained,
            "scored": scored,
            "at": at,
            "model": [round(-math.log(x), 10) for x in model],
            "cases": cases,
        },
        file,
    )
    file.write("\n")
