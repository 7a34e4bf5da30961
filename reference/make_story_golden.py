"""Writes test/golden/tinystories-656k.json: what Transformers makes of raincandy-u/TinyStories-656K.

Run from the repository root: python3 reference/make_story_golden.py DIRECTORY
(Transformers 5.24.0 and PyTorch 2.13.0 made the file kept)

100 greedy tokens after a prompt, and for the prompt's last position the first eight values of the stream that enters
each layer and of the final norm's output, in float64.
"""

import json
import os
import sys

import torch
import transformers as tf

PROMPT = "Once upon a time, there was a little girl named Lily."
directory = sys.argv[1]
tokenizer = tf.AutoTokenizer.from_pretrained(directory)
model = tf.AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float64).eval()
ids = tokenizer(PROMPT, return_tensors="pt").input_ids
with torch.no_grad():
    hidden = model(ids, output_hidden_states=True).hidden_states
    out = model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=100, do_sample=False, eos_token_id=None
    )
golden = dict(
    prompt=PROMPT,
    promptIds=ids[0].tolist(),
    ids=out[0, ids.shape[1] :].tolist(),
    hidden=[x[0, -1, :8].tolist() for x in hidden],
)
path = os.path.join(os.path.dirname(__file__), "..", "test", "golden", "tinystories-656k.json")
with open(path, "w") as file:
    json.dump(golden, file)
print(tokenizer.decode(out[0]))
