"""Makes test/golden/tokenizer/rust.json with the Rust library `tokenizers` (pip install tokenizers).

    python3 reference/make_tokenizer_golden.py test/golden/tokenizer/rust.json

The corpus and the strings are made here from a fixed seed: words of several scripts, numbers, white space of all kinds,
marks, emoji. The Rust trainer learns a vocabulary from the corpus; then several pre-tokenizers encode the strings with it,
and random ids are decoded. To audit: run it again, the file must not change for the same version of the library.
"""

import json
import random
import sys

from tokenizers import AddedToken, Regex, Tokenizer, __version__, models, normalizers, pre_tokenizers, trainers
from tokenizers import decoders

DEFAULT = (
    r"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}{1,3}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
DEEPSEEK_V3 = [
    r"\p{N}{1,3}",
    "[一-龥぀-ゟ゠-ヿ]+",
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
    "| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
]
WORDS = (
    "the of and to in was that Table tables memory remember hashing hashed gate gates isn't they'd WE'LL n-gram "
    "Größe naïve ÉCOLE e\u0301cole Привет мир мира 世界 你好世界 こんにちは カタカナ नमस्ते สวัสดี שָׁלוֹם 한국어 İstanbul ǅ "
    "1 12 123 1234 12345 3.14 ½ ² Ⅳ १२३ x=y[0]; fn(){} <|endoftext|> <|pad|> https://a.example/b?c=d "
    "🙂 👩\u200d🚀 \ufeff \u00ad \u200b ﬁn \u0301 … — € \U00010348 \ud7ff \uffff \U0010ffff"
).split(" ")
SPACES = [" ", " ", " ", " ", " ", "  ", "\t", "\n", "\n\n", "\r\n", " \n ", "\u00a0", "\u3000", "\u0085", "\u2028", "\v", ""]


def text(rng, length):
    return "".join(rng.choice(WORDS) + rng.choice(SPACES) for _ in range(length))


def split(*patterns):
    steps = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in patterns]
    return pre_tokenizers.Sequence([*steps, byte_level(False)])


def byte_level(use_regex):
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=use_regex)


def with_holes(base, rng):
    """The vocabulary without some bytes. The library leaves such a byte out before it merges: what stood on its two sides
    are neighbours then (Transformers.js leaves it out after, and merges nothing across it)."""
    alphabet = dict(zip(range(256), [""] * 256))
    # The printable bytes stand for themselves, the others for characters from U+0100 on, in order (GPT-2).
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    alphabet.update({byte: chr(byte) for byte in printable})
    for index, byte in enumerate(byte for byte in range(256) if byte not in printable):
        alphabet[byte] = chr(256 + index)
    missing = {alphabet[byte] for byte in " \n'a\u00e9\u0004".encode()}
    model = base["model"]
    kept = [token for token in sorted(model["vocab"], key=model["vocab"].get) if not missing & set(token)]
    made = json.loads(json.dumps(base))
    made["added_tokens"] = []
    made["model"]["vocab"] = {token: index for index, token in enumerate(kept)}
    made["model"]["merges"] = [pair for pair in model["merges"] if not missing & set("".join(pair))]
    tokenizer = Tokenizer.from_str(json.dumps(made))
    strings = ["a", "\u3042a\u3042", "t a h", "\u4e16a\u754c", "the " * 40, "tahe" * 30]
    strings += [text(rng, n) for n in (1, 2, 3, 25) for _ in range(15)]
    strings += [text(rng, 2) * rng.randrange(10, 30) for _ in range(15)]
    ids = [tokenizer.encode(string, add_special_tokens=False).ids for string in strings]
    return {"tokenizer": json.loads(tokenizer.to_str()), "strings": strings, "ids": ids}


def others():
    """Small vocabularies that are not byte-level: Llama 2's kind with byte fallback, and BERT's."""
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    pieces += ["▁", "t", "h", "e", "c", "a", "▁t", "he", "▁the", "▁c", "at", "▁cat", "é"]
    merges = [("▁", "t"), ("h", "e"), ("▁t", "he"), ("▁", "c"), ("a", "t"), ("▁c", "at")]
    llama = Tokenizer(
        models.BPE(
            vocab={piece: index for index, piece in enumerate(pieces)},
            merges=merges,
            unk_token="<unk>",
            byte_fallback=True,
            fuse_unk=True,
        )
    )
    llama.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    llama.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    llama.add_special_tokens(["<s>", "</s>"])
    words = ["[UNK]", "[CLS]", "[SEP]", "the", "cat", "##s", "cafe", ",", "!", "世"]
    bert = Tokenizer(
        models.WordPiece(vocab={word: index for index, word in enumerate(words)}, unk_token="[UNK]")
    )
    bert.normalizer = normalizers.BertNormalizer(lowercase=True)
    bert.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    bert.decoder = decoders.WordPiece(cleanup=False)
    bert.add_special_tokens(["[CLS]", "[SEP]"])
    strings = ["the cat", "The cats, the CAFÉ!", " the  cat", "世 the 世", "the 🙂é", "thecat"]
    made = []
    for name, tokenizer, special in [("Llama 2", llama, "<s>"), ("BERT", bert, "[SEP]")]:
        all_ids = [tokenizer.encode(s, add_special_tokens=False).ids for s in [*strings, f"the{special}cat"]]
        made.append(
            {
                "name": name,
                "tokenizer": json.loads(tokenizer.to_str()),
                "strings": [*strings, f"the{special}cat"],
                "ids": all_ids,
                "texts": [tokenizer.decode(ids, skip_special_tokens=False) for ids in all_ids],
            }
        )
    return made


def main(path):
    rng = random.Random(20261123)
    corpus = [text(rng, 120) for _ in range(40)]
    strings = ["", " ", "a"] + [text(rng, n) for n in (1, 2, 3) for _ in range(20)]
    strings += [text(rng, 25) for _ in range(30)] + ["aaaaaaaaaaaaaaa" * 9, "the" * 60, "\n" * 70]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = split(DEFAULT)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        corpus,
        trainers.BpeTrainer(
            vocab_size=640,
            min_frequency=2,
            special_tokens=["<|endoftext|>", "<|pad|>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    base = json.loads(tokenizer.to_str())
    variants = []
    for name, pre_tokenizer, normalizer in [
        ("default", split(DEFAULT), None),
        ("GPT-2", byte_level(True), None),
        ("Qwen2 with NFC", split(QWEN2), normalizers.NFC()),
        ("DeepSeek-V3", split(*DEEPSEEK_V3), normalizers.Sequence([])),
        ("one piece", byte_level(False), None),
        ("a space put before", pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=True), None),
        ("NFKC, normalized added token", split(DEFAULT), normalizers.NFKC()),
        ("added token that strips", split(DEFAULT), None),
    ]:
        variant = Tokenizer.from_str(json.dumps(base))
        if name.startswith("NFKC"):
            variant.add_tokens([AddedToken("\u00e9", normalized=True)])
        if name.startswith("added"):
            variant.add_special_tokens([AddedToken("the", lstrip=True, rstrip=True)])
        variant.pre_tokenizer = pre_tokenizer
        if normalizer is not None:
            variant.normalizer = normalizer
        parts = json.loads(variant.to_str())
        variants.append(
            {
                "name": name,
                "pre_tokenizer": parts["pre_tokenizer"],
                "normalizer": parts["normalizer"],
                "added_tokens": parts["added_tokens"],
                "ids": [variant.encode(string, add_special_tokens=False).ids for string in strings],
            }
        )
    decoded = []
    for length in [1] * 40 + [2] * 40 + [30] * 20:
        ids = [rng.randrange(640) if rng.random() < 0.3 else rng.randrange(2, 258) for _ in range(length)]
        decoded.append(
            {
                "ids": ids,
                "text": tokenizer.decode(ids, skip_special_tokens=False),
                "plain": tokenizer.decode(ids, skip_special_tokens=True),
            }
        )
    with open(path, "w") as file:
        json.dump(
            {
                "tokenizers": __version__,
                "corpus": corpus,
                "tokenizer": base,
                "strings": strings,
                "variants": variants,
                "decoded": decoded,
                "others": others(),
                "holes": with_holes(base, random.Random(20261128)),
            },
            file,
            ensure_ascii=True,
            separators=(",", ":"),
        )
        file.write("\n")


main(sys.argv[1])
