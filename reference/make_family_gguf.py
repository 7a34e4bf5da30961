"""Writes test/golden/families-gguf/NAME.gguf: the tiny random models of test/golden/families as GGUF files, with the
names, the order of rows and the settings that llama.cpp's converter (convert_hf_to_gguf.py) gives each architecture.
Their logits are those of the directories, in expected.json there. And test/golden/gguf-parts: one of them in three parts.

Run from the repository root: python3 reference/make_family_gguf.py   (gguf 0.19.0 and safetensors made the files kept)
"""

import json
import os

import gguf
import numpy as np
from safetensors.numpy import load_file

ARCHITECTURES = {
    "llama": gguf.MODEL_ARCH.LLAMA,
    "qwen2": gguf.MODEL_ARCH.QWEN2,
    "qwen3": gguf.MODEL_ARCH.QWEN3,
    "gpt2": gguf.MODEL_ARCH.GPT2,
    "gpt_neox": gguf.MODEL_ARCH.GPTNEOX,
}


def paired(x, heads):
    return x.reshape(heads, 2, x.shape[0] // heads // 2, *x.shape[1:]).swapaxes(1, 2).reshape(x.shape)


def apart(x, heads):
    """GPT-NeoX: queries, keys and values head by head -> all queries, all keys, all values."""
    return x.reshape(heads, 3, x.shape[0] // heads // 3, *x.shape[1:]).swapaxes(0, 1).reshape(x.shape)


def convert(name, architecture, folder="families-gguf", **split):
    source = f"test/golden/families/{name}"
    with open(f"{source}/config.json") as file:
        c = json.load(file)
    with open(f"{source}/tokenizer.json") as file:
        vocabulary = json.load(file)
    weights = load_file(f"{source}/model.safetensors")
    layers = c.get("n_layer") or c["num_hidden_layers"]
    heads = c.get("n_head") or c["num_attention_heads"]
    width = c.get("n_embd") or c["hidden_size"]
    head_dim = c.get("head_dim") or width // heads
    rope = c.get("rope_parameters") or {}

    writer = gguf.GGUFWriter(f"test/golden/{folder}/{name}.gguf", gguf.MODEL_ARCH_NAMES[architecture], **split)
    writer.add_block_count(layers)
    writer.add_context_length(c.get("n_positions") or c["max_position_embeddings"])
    writer.add_embedding_length(width)
    writer.add_head_count(heads)
    writer.add_feed_forward_length(c.get("intermediate_size") or c.get("n_inner") or 4 * width)
    if name in ("gpt2", "gpt_neox"):
        writer.add_layer_norm_eps(c.get("layer_norm_epsilon") or c["layer_norm_eps"])
    else:
        writer.add_layer_norm_rms_eps(c["rms_norm_eps"])
        writer.add_head_count_kv(c["num_key_value_heads"])
        writer.add_key_length(head_dim)
        writer.add_value_length(head_dim)
    if name != "gpt2":
        share = rope.get("partial_rotary_factor", c.get("rotary_pct", 1)) if name == "gpt_neox" else 1
        writer.add_rope_dimension_count(int(head_dim * share))
        writer.add_rope_freq_base(rope.get("rope_theta", 10000.0))
    if name == "gpt_neox":
        writer.add_parallel_residual(c["use_parallel_residual"])

    tokens = {**vocabulary["model"]["vocab"]}
    tokens.update({one["content"]: one["id"] for one in vocabulary["added_tokens"]})
    texts = {i: token for token, i in tokens.items()}
    ids = range(c["vocab_size"])
    listed = [texts.get(i, f"[PAD{i}]") for i in ids]
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(listed)
    writer.add_token_scores([0.0] * len(listed))
    writer.add_token_types([5 if i not in texts else 2 if i == 0 else 3 if i < 3 else 1 for i in ids])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)

    names = gguf.get_tensor_name_map(architecture, layers)
    for full, x in weights.items():
        if full == "lm_head.weight" and c.get("tie_word_embeddings"):
            continue
        if name == "llama" and full.endswith(("q_proj.weight", "k_proj.weight")):
            x = paired(x, heads if "q_proj" in full else c["num_key_value_heads"])
        if name == "gpt2" and full.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight")):
            x = x.T
        if "query_key_value" in full:
            x = apart(x, heads)
        there = names.get_name(full, try_suffixes=(".weight", ".bias"))
        writer.add_tensor(there, np.ascontiguousarray(x.astype(np.float32)))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


for folder in ("families-gguf", "gguf-parts"):
    os.makedirs(f"test/golden/{folder}", exist_ok=True)
for name, architecture in ARCHITECTURES.items():
    convert(name, architecture)
convert("qwen2", ARCHITECTURES["qwen2"], "gguf-parts", split_max_tensors=10)
