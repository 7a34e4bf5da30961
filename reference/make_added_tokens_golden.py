"""Makes test/golden/tokenizer/added-tokens.json with the Rust library `tokenizers` (pip install tokenizers).

    python3 reference/make_added_tokens_golden.py test/golden/tokenizer/added-tokens.json

Four small vocabularies, and for each of them random sets of added tokens (single_word, lstrip, rstrip, normalized, special)
over an alphabet in which they overlap, stand inside words and beside white space of all kinds. Every string is encoded
twice: with special tokens found in the text, and with special tokens taken as text (`encode_special_tokens`). To audit: run
it again, the file must not change for the same version of the library.
"""

import json
import random
import sys

from tokenizers import AddedToken, Tokenizer, __version__, decoders, models, normalizers, pre_tokenizers

# White space that Rust, Unicode and JavaScript do not agree on is among it: U+0085 and U+FEFF.
PARTS = "a b ab A É é e\u0301 ﬁ fi 1 _ - ! <x> <y x> 世 \u0301 \u200d".split(" ")
SPACES = [" ", "  ", "\t", "\n", "\u0085", "\u00a0", "\u2003", "\ufeff"]
CONTENTS = ["a", "ab", "b", "aa", "<x>", "<y", "x>", "É", "é", "e\u0301", "fi", "1", "_", "世", "a b", " b", "!", "A"]


def byte_level(normalizer=None):
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {char: index for index, char in enumerate(alphabet)}
    vocab.update({"ab": 256, "Ġa": 257})
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[("a", "b"), ("Ġ", "a")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    return tokenizer


def word_piece():
    words = ["[UNK]", "a", "b", "ab", "##a", "##b", "e", "fi", "1", "_", "-", "!", "<", ">", "x", "##x", "y", "世"]
    tokenizer = Tokenizer(models.WordPiece(vocab={w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(cleanup=False)
    return tokenizer


def metaspace():
    pieces = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", "a", "b", "x", "<", ">", "y", "▁a", "ab", "▁ab"]
    tokenizer = Tokenizer(
        models.BPE(
            vocab={piece: index for index, piece in enumerate(pieces)},
            merges=[("▁", "a"), ("a", "b"), ("▁a", "b")],
            unk_token="<unk>",
            byte_fallback=True,
            fuse_unk=True,
        )
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    return tokenizer


def text(rng):
    parts = [rng.choice(PARTS) if rng.random() < 0.7 else rng.choice(SPACES) for _ in range(rng.randrange(1, 9))]
    return "".join(parts)


def added(rng):
    flags = {name: rng.random() < 0.4 for name in ("single_word", "lstrip", "rstrip", "normalized")}
    special = rng.random() < 0.4
    return AddedToken(rng.choice(CONTENTS), special=special, **flags), special


def main(path):
    rng = random.Random(20261128)
    families = []
    for name, make in [
        ("byte-level", byte_level),
        ("byte-level with NFKC", lambda: byte_level(normalizers.NFKC())),
        ("WordPiece", word_piece),
        ("Metaspace", metaspace),
    ]:
        cases = []
        for _ in range(25):
            tokenizer = make()
            for _ in range(rng.randrange(1, 5)):
                token, special = added(rng)
                (tokenizer.add_special_tokens if special else tokenizer.add_tokens)([token])
            # As a reader of the file has it.
            tokenizer = Tokenizer.from_str(tokenizer.to_str())
            strings = [text(rng) for _ in range(10)]
            found = [tokenizer.encode(s, add_special_tokens=False).ids for s in strings]
            tokenizer.encode_special_tokens = True
            plain = [tokenizer.encode(s, add_special_tokens=False).ids for s in strings]
            cases.append(
                {
                    "added_tokens": json.loads(tokenizer.to_str())["added_tokens"],
                    "strings": strings,
                    "ids": found,
                    # None where it is the same.
                    "plain": [None if p == f else p for p, f in zip(plain, found)],
                }
            )
        families.append({"name": name, "tokenizer": json.loads(make().to_str()), "cases": cases})
    with open(path, "w") as file:
        json.dump({"tokenizers": __version__, "families": families}, file, ensure_ascii=True, separators=(",", ":"))
        file.write("\n")


main(sys.argv[1])
