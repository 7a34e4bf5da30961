"""The other side of bench/against/server.ts where no llama-server is named: llama.cpp's server as the wheel `xllamacpp`
carries it (pip install xllamacpp; the same code as llama-server, inside a Python process).

    python3 bench/against/run_llama_server.py MODEL.gguf PORT THREADS SLOTS CONTEXT

CONTEXT is that of one slot. It serves until it is ended.
"""

import signal
import sys

import xllamacpp

path, (port, threads, slots, context) = sys.argv[1], map(int, sys.argv[2:])
params = xllamacpp.CommonParams()
params.model.path = path
params.hostnames = ["127.0.0.1"]
params.port = port
params.n_parallel = slots
params.n_ctx = slots * context
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
params.verbosity = 0
server = xllamacpp.Server(params)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
signal.pause()
