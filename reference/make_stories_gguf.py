"""Writes stories260K as a GGUF file, from its Hugging Face directory and llama2.c's vocabulary, with llama.cpp's own
writer: rows of queries and keys in pairs, as llama.cpp's converter puts those of Llama.

    python3 reference/make_stories_gguf.py data/backbones/stories260K OUT.gguf [F32|F16|Q8_0]

Needs the Python packages gguf, numpy and safetensors. Weights whose rows are no whole blocks stay F32.
"""

import json
import struct
import sys

import gguf
import numpy as np
from safetensors.numpy import load_file

source, out = sys.argv[1:3]
kind = gguf.GGMLQuantizationType[sys.argv[3] if len(sys.argv) > 3 else "F32"]
with open(f"{source}/hf/config.json") as file:
    config = json.load(file)
weights = load_file(f"{source}/hf/model.safetensors")

tokens, scores, types = [], [], []
with open(f"{source}/tok512.bin", "rb") as file:
    file.read(4)
    for i in range(config["vocab_size"]):
        score, length = struct.unpack("<fi", file.read(8))
        text = file.read(length).decode()
        text = {0: "<unk>", 1: "<s>", 2: "</s>"}.get(i, text.replace(" ", "\u2581"))
        tokens.append(text)
        scores.append(score)
        types.append(2 if i == 0 else 3 if i < 3 else 6 if i < 259 else 1)

writer = gguf.GGUFWriter(out, "llama")
writer.add_name("stories260K")
writer.add_block_count(config["num_hidden_layers"])
writer.add_context_length(config["max_position_embeddings"])
writer.add_embedding_length(config["hidden_size"])
writer.add_feed_forward_length(config["intermediate_size"])
writer.add_head_count(config["num_attention_heads"])
writer.add_head_count_kv(config["num_key_value_heads"])
writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
writer.add_rope_freq_base(config["rope_theta"])
writer.add_rope_dimension_count(config["hidden_size"] // config["num_attention_heads"])
writer.add_vocab_size(config["vocab_size"])
writer.add_tokenizer_model("llama")
writer.add_tokenizer_pre("default")
writer.add_token_list(tokens)
writer.add_token_scores(scores)
writer.add_token_types(types)
writer.add_bos_token_id(1)
writer.add_eos_token_id(2)
writer.add_unk_token_id(0)
writer.add_add_bos_token(True)


def paired(x, heads):
    return x.reshape(heads, 2, x.shape[0] // heads // 2, *x.shape[1:]).swapaxes(1, 2).reshape(x.shape)


names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config["num_hidden_layers"])
for name, values in weights.items():
    if name == "lm_head.weight" and config["tie_word_embeddings"]:
        continue
    if name.endswith("q_proj.weight"):
        values = paired(values, config["num_attention_heads"])
    if name.endswith("k_proj.weight"):
        values = paired(values, config["num_key_value_heads"])
    there = names.get_name(name, try_suffixes=(".weight", ".bias"))
    block, _ = gguf.GGML_QUANT_SIZES[kind]
    fits = values.ndim > 1 and values.shape[-1] % block == 0
    stored = kind if fits else gguf.GGMLQuantizationType.F32
    writer.add_tensor(there, gguf.quants.quantize(values, stored), raw_dtype=stored)

writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
