"""Writes test/golden/tokenizer/sentencepiece.json: a vocabulary that SentencePiece itself trained (BPE with byte
fallback, as Llama's), and the ids that it gives for llama.cpp's 47 test strings and for random text.

Run from the repository root: python3 reference/make_sentencepiece_golden.py   (sentencepiece 0.2.3 made the file kept)

The training text is this repository's own README.
"""

import io
import json
import random

import sentencepiece as spm

random.seed(20261128)
model = io.BytesIO()
with open("README.md") as file:
    lines = [line.strip() for line in file if line.strip()]
spm.SentencePieceTrainer.train(
    sentence_iterator=iter(lines),
    model_writer=model,
    model_type="bpe",
    vocab_size=700,
    byte_fallback=True,
    character_coverage=0.995,
    normalization_rule_name="identity",
    remove_extra_whitespaces=False,
    split_digits=True,
    allow_whitespace_only_pieces=True,
)
sp = spm.SentencePieceProcessor(model_proto=model.getvalue())


def kind(i):
    return 2 if sp.IsUnknown(i) else 3 if sp.IsControl(i) else 6 if sp.IsByte(i) else 1


with open("test/golden/tokenizer/strings.inp") as file:
    strings = file.read().split("\n__ggml_vocab_test__\n")
words = " ".join(lines).split()
for _ in range(60):
    text = " ".join(random.choices(words, k=random.randint(1, 12)))
    for _ in range(random.randint(0, 4)):
        at = random.randint(0, len(text))
        text = text[:at] + random.choice(["  ", "\n", "\t", "é", "ß", "中", "🙂", "▁", "7", "-"]) + text[at:]
    strings.append(text)
strings = [text for text in strings if text]

golden = {
    "tokens": [sp.IdToPiece(i) for i in range(sp.GetPieceSize())],
    "scores": [sp.GetScore(i) for i in range(sp.GetPieceSize())],
    "types": [kind(i) for i in range(sp.GetPieceSize())],
    "texts": [{"text": text, "ids": sp.EncodeAsIds(text)} for text in strings],
}
with open("test/golden/tokenizer/sentencepiece.json", "w") as file:
    json.dump(golden, file, ensure_ascii=False)
    file.write("\n")
