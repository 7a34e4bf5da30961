"""Makes the golden data of src/numerics and src/memory from software that is not ours.

    python3 reference/make_memory_golden.py test/golden

numpy (2.4.6 made the files in the tree) draws `numpy-integers.json`; numpy's float32 makes
`float8-codes.json` by exhaustive search over the 256 codes, `scaled-ints.json` and `addresses.json` with trial division; the Rust tokenizers library (0.23.2) makes
`token-normal-forms.json`. Either part is skipped with a message where its library is missing.
"""

import json
import random
import sys


def integers(out):
    import numpy as np

    rng = random.Random(20260112)
    cases = []
    seeds = [0, 1, 10007, 140098, 2**32 - 1, 2**32, 2**64 + 3, 2**127, 2**128, 2**130 + 12345, 2**200 - 1]
    bounds = [1, 2, 3, 10, 2**16, 2**31, 2**32 - 1, 2**32, 2**32 + 1, 2**53, 2**62 + 1, 2**63 - 1]
    pairs = [(s, b) for s in seeds for b in bounds]
    pairs += [(rng.getrandbits(rng.randint(1, 70)), max(1, rng.getrandbits(rng.randint(1, 63)))) for _ in range(300)]
    for seed, bound in pairs:
        g = np.random.default_rng(seed)
        first = g.integers(0, bound, size=3, dtype=np.int64)
        # A second call on the same generator shows what the first left behind (the spare half word).
        low = -(bound // 2)
        second = g.integers(low, low + bound, size=2, dtype=np.int64)
        cases.append([str(seed), str(bound), [str(x) for x in first], [str(x) for x in second]])
    json.dump({"numpy": np.__version__, "cases": cases}, open(f"{out}/numpy-integers.json", "w"))


def float8(out):
    import numpy as np

    values = {}
    for code in range(256):
        e, m = (code >> 3) & 15, code & 7
        if e == 15 and m == 7:
            continue
        v = m * 2.0**-9 if e == 0 else (1 + m / 8) * 2.0 ** (e - 7)
        values[code] = -v if code & 128 else v

    def nearest(x):
        x = max(-448.0, min(448.0, float(x)))
        sign = 128 if np.signbit(np.float32(x)) else 0
        best = min(
            (c for c in values if (c & 128) == sign),
            key=lambda c: (abs(values[c] - x), c & 1),  # ties: the even mantissa
        )
        return best

    rng = random.Random(7)
    cases = []
    for _ in range(600):
        x = np.float32(rng.choice([1, -1]) * 2 ** rng.uniform(-12, 10) * rng.choice([1, rng.random()]))
        cases.append([float(x), nearest(x)])
    magnitudes = sorted(v for c, v in values.items() if c < 128)
    for low, high in zip(magnitudes, magnitudes[1:]):
        for x in (low, (low + high) / 2, np.nextafter(np.float32((low + high) / 2), np.float32(1e9))):
            cases.append([float(x), nearest(x)])
            cases.append([-float(x), nearest(-x) if x else 128])

    blocks = []
    for k in range(120):
        scale = 2.0 ** rng.uniform(-40, 60)
        block = np.array([rng.gauss(0, 1) * scale for _ in range(32)], dtype=np.float32)
        if k % 4 == 0:
            block[rng.randrange(32)] = np.float32(448 * 2.0 ** rng.randint(-10, 20))
        if k % 10 == 0:
            block[:] = 0
        amax = np.maximum(np.abs(block).max(), np.float32(1e-4))
        bits = int((amax * np.float32(1 / 448)).view(np.uint32))
        byte = (bits >> 23) + (1 if bits & 0x7FFFFF else 0)
        codes = [nearest(float(x) / 2.0 ** (byte - 127)) for x in block]
        blocks.append([[float(x) for x in block], byte, codes])
    json.dump({"codes": cases, "blocks": blocks}, open(f"{out}/float8-codes.json", "w"))


def scaled_ints(out):
    """Rows of float32 (as bit patterns) and their int8 / int4 codes and scales, by NumPy's float32
    division and rint; the bfloat16 scale by search over all of them."""
    import numpy as np

    bf16 = (np.arange(0x80, 0x7F80, dtype=np.uint32) << 16).view(np.float32)  # positive normal ones

    def scale_of(run, largest):
        finite = np.where(np.isnan(run), np.float32(0), np.minimum(np.abs(run), np.finfo(np.float32).max))
        amax = np.float32(finite.max())
        if amax == 0:
            return 0
        want = np.float64(amax / np.float32(largest))
        error = np.abs(bf16.astype(np.float64) - want)
        best = np.flatnonzero(error == error.min())
        bits = [0x80 + int(i) for i in best]
        return next((b for b in bits if b % 2 == 0), bits[0])

    rng = np.random.default_rng(20261123)
    cases = []
    with np.errstate(all="ignore"):
        for k in range(60):
            d = [1, 3, 16, 32, 33, 70][k % 6]
            row = rng.standard_normal(d).astype(np.float32) * np.float32(10.0 ** rng.integers(-36, 36))
            if k % 7 == 3:
                row = np.round(row / np.abs(row).max() * 9).astype(np.float32) * np.float32(0.5)
            if k % 11 == 5:
                row[rng.integers(d)] = np.nan
            if k % 13 == 6:
                row[rng.integers(d)] = -np.inf
            if k == 0:
                row[:] = 0
            for name, largest, run in (("int8", 127, d), ("int4", 7, 32)):
                codes, scales = [], []
                for at in range(0, d, run):
                    part = row[at : at + run]
                    bits = scale_of(part, largest)
                    scale = np.array([bits << 16], dtype=np.uint32).view(np.float32)[0]
                    q = np.rint(part / scale) if bits else np.where(np.isnan(part), np.nan, 0)
                    q = np.where(np.isnan(q), -largest - 1, np.clip(q, -largest, largest))
                    codes += [int(x) for x in q]
                    scales.append(bits)
                cases.append([name, row.view(np.uint32).tolist(), codes, scales])
    json.dump({"numpy": np.__version__, "cases": cases}, open(f"{out}/scaled-ints.json", "w"))


def addresses(out):
    """Whole configurations to rows, in NumPy int64 with products checked in Python integers."""
    import numpy as np

    def is_prime(n):
        return n > 1 and all(n % d for d in range(2, int(n**0.5) + 1))

    rng = random.Random(41)
    cases = []
    for _ in range(60):
        n = rng.randint(2, 5)
        heads = rng.randint(1, 8)
        layers = rng.sample(range(40), rng.randint(1, 3))
        vocab = rng.choice([1, 2, 16, 1000, 98627, 99092, 129280, rng.randint(3, 10**6), 2**31 - 1])
        seed = rng.choice([0, 0, 1, 42, rng.getrandbits(40)])
        bases = [rng.choice([1, 2, 11, 646400, 16_000_000, rng.randint(3, 10**6)]) for _ in range(n - 1)]
        if rng.random() < 0.3:
            bases = [bases[0]] * (n - 1)
        pad = rng.randrange(min(vocab, 1000))
        ids = [rng.choice([-1, 0, vocab - 1, rng.randrange(vocab), rng.randrange(vocab)]) for _ in range(rng.randint(1, 9))]
        seen, rows, mults = set(), {}, {}
        for layer in layers:
            primes = []
            for base in bases:
                c = base - 1
                for _ in range(heads):
                    c += 1
                    while c in seen or not is_prime(c):
                        c += 1
                    seen.add(c)
                    primes.append(c)
            high = max(1, ((2**63 - 1) // vocab) // 2)
            g = np.random.default_rng(seed + 10007 * layer)
            m = g.integers(low=0, high=high, size=n, dtype=np.int64) * 2 + 1
            mults[layer] = [str(x) for x in m]
            table = []
            for t in range(len(ids)):
                blocked, mix, row = False, np.int64(0), []
                for i in range(n):
                    blocked = blocked or t - i < 0 or ids[t - i] == -1
                    v = pad if blocked else ids[t - i]
                    assert v * int(m[i]) < 2**63
                    mix = np.bitwise_xor(mix, np.int64(v) * m[i])
                    for h in range(heads if i else 0):
                        column = (i - 1) * heads + h
                        row.append(int(mix % np.int64(primes[column])) + sum(primes[:column]))
                table.append(row)
            rows[layer] = table
        config = {
            "engram_layer_ids": layers,
            "engram_max_ngram_size": n,
            "engram_vocab_size": bases[0] if len(set(bases)) == 1 else bases,
            "engram_n_heads": heads,
            "engram_pad_token_id": pad,
            "engram_compressed_vocab_size": vocab,
        }
        if seed:
            config["engram_seed"] = seed
        cases.append({"config": config, "ids": ids, "multipliers": mults, "rows": rows})
    json.dump({"numpy": np.__version__, "cases": cases}, open(f"{out}/addresses.json", "w"))


def normal_forms(out):
    from tokenizers import Regex, __version__
    from tokenizers import normalizers as n

    normalizer = n.Sequence(
        [
            n.NFKC(),
            n.NFD(),
            n.StripAccents(),
            n.Lowercase(),
            n.Replace(Regex(r"[ \t\r\n]+"), " "),
            n.Replace(Regex(r"^ $"), "\ue000"),
            n.Strip(),
            n.Replace("\ue000", " "),
        ]
    )
    spans = "20-7e a0-24f 300-36f 370-52f 590-6ff 897-98f 1c90-1cff 1dc0-1dff 1e00-20ff 2100-21ff 2460-24ff"
    spans += " 3000-30ff 3200-33ff ac00-ac7f f900-fb5f fe00-ffff 11930-1194f 1d400-1d4ff"
    pools = [range(int(a, 16), int(b, 16) + 1) for a, b in (s.split("-") for s in spans.split())]
    odd = "9 a b c d 20 85 a0 e000 feff 200b 2028 3000 130 131 3a3 3c2 1e9e df fb01 1cf2 1cf3 32ff 1133b"
    pools.append([int(c, 16) for c in odd.split()])
    rng = random.Random(7)
    texts = [" The", "the", "THE", "\u00c9", "\ufb01n", "\u2460", "\t", "\n\n", "  \r\n ", "\u00a0", "\u3000"]
    texts += [" a ", "a\n b", "\u0130", "\u00df", "\u0391\u03a3", "\u03c2", "\ud55c", "\u304c", "\u2122", "\u00bd"]
    texts += ["\u0939\u093f\u0928\u094d\u0926\u0940", "\u2026", " \u2026", "\u200b", "\u00ad", "\ufeff", "\u0301"]
    texts += ["\u0085", "\ue000", "", " "]
    for _ in range(1200):
        texts.append("".join(chr(rng.choice(rng.choice(pools))) for _ in range(rng.randint(1, 7))))
    pairs = [[text, normalizer.normalize_str(text)] for text in texts]
    json.dump({"tokenizers": __version__, "pairs": pairs}, open(f"{out}/token-normal-forms.json", "w"))


if __name__ == "__main__":
    for part in (integers, float8, scaled_ints, addresses, normal_forms):
        try:
            part(sys.argv[1])
        except ImportError as missing:
            print(f"{part.__name__}: skipped, {missing}")
