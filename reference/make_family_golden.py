"""Writes test/golden/families/: a tiny random model of every family, as Transformers saves it, and what it says.

Run from the repository root: python3 reference/make_family_golden.py
(Transformers 5.24.0 and PyTorch 2.13.0 made the files kept)

Norms, biases and embeddings are drawn wide, so that none of them may be left out unseen. Each directory has
expected.json: ids [T], the logits [T,V] after each, and for the last three of them the hidden states [3,D] that enter
each layer and leave the last norm, rounded to six digits.
"""

import json
import os
import shutil

import torch
import transformers as tf

LENGTH = 40
VOCAB = 48
HERE = os.path.join(os.path.dirname(__file__), "..", "test", "golden", "families")

tokens = dict(vocab_size=VOCAB, bos_token_id=1, eos_token_id=2)
sizes = dict(
    tokens,
    hidden_size=16,
    intermediate_size=24,
    num_hidden_layers=2,
    num_attention_heads=2,
    max_position_embeddings=64,
)
grouped = dict(sizes, num_attention_heads=4, num_key_value_heads=2, rms_norm_eps=1e-5)
llama3 = dict(
    rope_type="llama3",
    rope_theta=10000.0,
    factor=8.0,
    low_freq_factor=1.0,
    high_freq_factor=4.0,
    original_max_position_embeddings=16,
)
models = {
    "llama": (tf.LlamaForCausalLM, tf.LlamaConfig(**grouped, head_dim=8), {}),
    "llama-biased": (
        tf.LlamaForCausalLM,
        tf.LlamaConfig(**grouped, attention_bias=True, mlp_bias=True, tie_word_embeddings=True),
        {"dtype": torch.bfloat16},
    ),
    "llama3": (
        tf.LlamaForCausalLM,
        tf.LlamaConfig(**grouped, head_dim=16, rope_parameters=llama3),
        {"max_shard_size": "10KB"},
    ),
    "mistral": (tf.MistralForCausalLM, tf.MistralConfig(**grouped, sliding_window=7, head_dim=8), {}),
    "qwen2": (
        tf.Qwen2ForCausalLM,
        tf.Qwen2Config(**grouped, tie_word_embeddings=True),
        {"dtype": torch.float16},
    ),
    "qwen3": (tf.Qwen3ForCausalLM, tf.Qwen3Config(**grouped, head_dim=12), {}),
    "gpt2": (
        tf.GPT2LMHeadModel,
        tf.GPT2Config(**tokens, n_embd=16, n_layer=2, n_head=2, n_positions=64),
        {},
    ),
    "gpt_neox": (
        tf.GPTNeoXForCausalLM,
        tf.GPTNeoXConfig(
            **sizes,
            rope_parameters=dict(rope_type="default", rope_theta=10000.0, partial_rotary_factor=0.5),
        ),
        {},
    ),
    "gpt_neox-serial": (
        tf.GPTNeoXForCausalLM,
        tf.GPTNeoXConfig(
            **sizes,
            use_parallel_residual=False,
            hidden_act="gelu_new",
            rope_parameters=dict(rope_type="default", rope_theta=500.0, partial_rotary_factor=0.25),
        ),
        {},
    ),
}


def tokenizer():
    """Characters from "0" on; the last four ids of the model have none."""
    names = ["<unk>", "<s>", "</s>"]
    vocab = {text: i for i, text in enumerate(names)}
    for id in range(len(names), VOCAB - 4):
        vocab[chr(ord("0") + id)] = id
    added = [
        dict(
            id=i,
            content=text,
            special=True,
            normalized=False,
            single_word=False,
            lstrip=False,
            rstrip=False,
        )
        for i, text in enumerate(names)
    ]
    start = [
        {"SpecialToken": {"id": "<s>", "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}},
    ]
    return {
        "version": "1.0",
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": None,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": start,
            "pair": start,
            "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}},
        },
        "decoder": {"type": "Fuse"},
        "model": {"type": "BPE", "unk_token": "<unk>", "vocab": vocab, "merges": []},
    }


def draw(model, generator):
    for name, parameter in model.named_parameters():
        normal = torch.randn(parameter.shape, generator=generator)
        if "norm" in name or "ln_" in name:
            parameter.data = (1 + 0.3 * normal) if name.endswith("weight") else 0.3 * normal
        elif parameter.dim() == 1:
            parameter.data = 0.3 * normal
        elif "emb" in name or "wte" in name or "wpe" in name or "head" in name:
            parameter.data = 0.5 * normal
        else:
            parameter.data = normal / parameter.shape[0 if "c_" in name else 1] ** 0.5


def rounded(x):
    return [[float(f"{v:.6g}") for v in row] for row in x.tolist()]


torch.manual_seed(0)
for name, (kind, config, options) in models.items():
    path = os.path.join(HERE, name)
    shutil.rmtree(path, ignore_errors=True)
    config._attn_implementation = "eager"
    model = kind(config).eval()
    draw(model, torch.Generator().manual_seed(len(name)))
    # Rounded as it is saved, then read again and computed in float32, buffers included.
    model = model.to(options.get("dtype", torch.float32))
    model.save_pretrained(path, **{k: v for k, v in options.items() if k != "dtype"})
    model = kind.from_pretrained(path, dtype=torch.float32, attn_implementation="eager").eval()
    ids = torch.randint(3, VOCAB - 4, (1, LENGTH), generator=torch.Generator().manual_seed(7))
    ids[0, 0] = 1
    with torch.no_grad():
        out = model(ids, output_hidden_states=True)
    with open(os.path.join(path, "tokenizer.json"), "w") as file:
        json.dump(tokenizer(), file)
    hidden = [rounded(x[0, -3:]) for x in out.hidden_states]
    with open(os.path.join(path, "expected.json"), "w") as file:
        expected = dict(ids=ids[0].tolist(), logits=rounded(out.logits[0]), hidden=hidden)
        json.dump(expected, file)
    print(name, {f: os.path.getsize(os.path.join(path, f)) for f in sorted(os.listdir(path))})
