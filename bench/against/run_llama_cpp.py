"""The other side of bench/against/decode.ts: llama.cpp through llama-cpp-python's bindings, one line of JSON a request.

    python3 bench/against/run_llama_cpp.py MODEL.gguf THREADS CONTEXT

{"prompt": N} reads N made-up ids from an empty context; {"tokens": N, "from": P, "id": I} forgets what is behind
position P and decodes N ids from I on, each the likeliest after the one before. Both answer {"seconds", "cpu",
"ids"}. {"logits": [ids]} answers the logits behind each of them.
"""

import ctypes
import json
import resource
import sys
import time

import llama_cpp
import numpy as np

path, threads, capacity = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
errors = llama_cpp.llama_log_callback(
    lambda level, text, _: sys.stderr.write(text.decode()) if level >= 4 else None
)
llama_cpp.llama_log_set(errors, None)
model_params = llama_cpp.llama_model_default_params()
model = llama_cpp.llama_model_load_from_file(path.encode(), model_params)
if not model:
    sys.exit(f"llama.cpp does not open {path}")
params = llama_cpp.llama_context_default_params()
params.n_ctx = capacity
params.n_batch = params.n_ubatch = min(capacity, 2048)
params.n_threads = params.n_threads_batch = threads
context = llama_cpp.llama_init_from_model(model, params)
vocab = llama_cpp.llama_model_get_vocab(model)
size = llama_cpp.llama_vocab_n_tokens(vocab)
memory = llama_cpp.llama_get_memory(context)


def decode(ids):
    array = (llama_cpp.llama_token * len(ids))(*ids)
    if llama_cpp.llama_decode(context, llama_cpp.llama_batch_get_one(array, len(ids))) != 0:
        raise RuntimeError("llama_decode failed")
    return np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(context, -1), shape=(size,))


def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


for line in sys.stdin:
    request = json.loads(line)
    if "logits" in request:
        llama_cpp.llama_memory_clear(memory, True)
        answer = {"logits": [decode([id]).tolist() for id in request["logits"]]}
        print(json.dumps(answer), flush=True)
        continue
    chosen = []
    if "prompt" in request:
        ids = [(i * 31) % size for i in range(request["prompt"])]
        llama_cpp.llama_memory_clear(memory, True)
        start, used = time.perf_counter(), cpu()
        chosen.append(int(decode(ids).argmax()))
    else:
        llama_cpp.llama_memory_seq_rm(memory, -1, request["from"], -1)
        id = request["id"]
        start, used = time.perf_counter(), cpu()
        for _ in range(request["tokens"]):
            id = int(decode([id]).argmax())
            chosen.append(id)
    seconds, spent = time.perf_counter() - start, cpu() - used
    print(json.dumps({"seconds": seconds, "cpu": spent, "ids": chosen}), flush=True)
