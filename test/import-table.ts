/**
 * The architecture as tables: who may import whom, which folders have entries of their own, where the platform and
 * packages may be named. `architecture.ts` holds the rules that read them.
 */

/**
 * What each folder of `src` (or file at its root) may import, in the order data walks. ARCHITECTURE.md
 * shows this table and says why; `openToAll` are. "type x" opens x's types only, "x.name"
 * that one name besides, "src/x/y.ts" that file only.
 */
export const importTable: Readonly<Record<string, readonly string[]>> = {
  "disposal-stack.ts": [],
  "errors.ts": [],
  "foreign-file.ts": [],
  "next-turn.ts": [],
  "schema-words.ts": [],
  numerics: [],
  bytes: [],
  // Work that can be stopped, for whoever has some.
  worker: [],
  tokenizer: ["numerics", "worker"],
  memory: ["bytes", "numerics", "type tokenizer"],
  tensor: ["numerics"],
  model: ["tensor", "numerics", "type memory", "memory.memoryWidth", "memory.evidenceWidth"],
  checkpoint: ["bytes", "numerics"],
  // Knows which files a model has; never what is in them.
  hub: ["bytes", "checkpoint"],
  // Of memory the seam, and nothing else: every kind of memory is one file behind it.
  inference: ["model", "src/memory/memory.ts", "tensor", "numerics"],
  // What a memory is to a model; of a model what opens a session, of texts their tokens.
  facts: [
    "src/memory/memory.ts",
    "bytes",
    "inference",
    "numerics",
    "type teaching",
    "type tokenizer",
  ],
  // `memory` for its stores: what is measured is what will be read through.
  machine: ["bytes", "memory", "numerics"],
  "at-rest": ["bytes", "checkpoint", "memory", "numerics", "type model", "model.layerName"],
  // Finds vectors by gradients, as training does, but of no weight.
  teaching: ["inference", "model", "tensor", "numerics"],
  // Of memory the seam, and of tables what they add to a checkpoint.
  // `inference` for its scorer and windows: validation while training is the same count of bits per
  // byte that `engram eval` makes (docs/decisions/0008).
  training: [
    "model",
    "src/memory/memory.ts",
    "type at-rest",
    "at-rest.isRowLogState",
    "tensor",
    "bytes",
    "checkpoint",
    "numerics",
    "inference",
  ],
  // The files at the root put text, memory and model together; they alone may see all of it.
  "model-of-preset.ts": ["memory", "model", "type training"],
  "plan-training.ts": ["machine", "memory", "model", "type training"],
  "stored-weights.ts": ["checkpoint", "model", "tensor", "numerics"],
  "packed-weights.ts": ["checkpoint", "model", "stored-weights.ts", "tensor", "numerics"],
  "model-weights.ts": [
    "checkpoint",
    "model",
    "packed-weights.ts",
    "stored-weights.ts",
    "tensor",
    "numerics",
  ],
  "text-settings.ts": ["type checkpoint", "inference", "type model", "type tokenizer"],
  "check-model.ts": ["at-rest", "checkpoint", "memory", "model", "model-weights.ts"],
  "save-model.ts": ["at-rest", "checkpoint", "memory", "model", "tensor", "stored-weights.ts"],
  "count-text.ts": ["at-rest", "checkpoint", "memory", "training"],
  "gguf-model.ts": ["type bytes", "checkpoint", "model", "tokenizer"],
  "open-files.ts": ["type bytes", "checkpoint", "gguf-model.ts"],
  // Knows no platform; "load-model.ts" has Node's.
  "open-model.ts": [
    "at-rest",
    "bytes",
    "check-model.ts",
    "checkpoint",
    "type facts",
    "inference",
    "type machine",
    "memory",
    "model",
    "model-weights.ts",
    "open-files.ts",
    "tensor",
    "text-settings.ts",
    "tokenizer",
    "worker",
  ],
  "load-model.ts": [
    "teaching",
    "type inference",
    "at-rest",
    "chat",
    "checkpoint",
    "facts",
    "machine",
    "open-files.ts",
    "open-model.ts",
    "tensor",
    "tokenizer",
  ],
  "quantize-model.ts": [
    "checkpoint",
    "memory",
    "model",
    "tensor",
    "type inference",
    "load-model.ts",
    "open-model.ts",
    "model-weights.ts",
    "packed-weights.ts",
    "save-model.ts",
  ],
  "doctor.ts": [
    "at-rest",
    "checkpoint",
    "inference",
    "machine",
    "memory",
    "model",
    "load-model.ts",
  ],
  "generate-text.ts": ["tokenizer", "inference"],
  "origin-model.ts": [
    "at-rest",
    "checkpoint",
    "check-model.ts",
    "load-model.ts",
    "type memory",
    "type model",
    "model-weights.ts",
    "open-model.ts",
    "type save-model.ts",
    "type tensor",
    "text-settings.ts",
    "tokenizer",
    "training",
  ],
  "graft-model.ts": [
    "at-rest",
    "type check-model.ts",
    "checkpoint",
    "count-text.ts",
    "memory",
    "model",
    "model-weights.ts",
    "numerics",
    "origin-model.ts",
    "save-model.ts",
    "stored-weights.ts",
    "type tokenizer",
    "type training",
  ],
  "beginning.ts": ["type model", "origin-model.ts", "training"],
  "model-to-train.ts": [
    "type at-rest",
    "memory",
    "type origin-model.ts",
    "model",
    "model-of-preset.ts",
    "training",
    "type inference",
    "type tensor",
    "type tokenizer",
  ],
  "train-model.ts": [
    "at-rest",
    "beginning.ts",
    "tokenizer",
    "memory",
    "model",
    "tensor",
    "inference",
    "training",
    "machine",
    "model-of-preset.ts",
    "model-to-train.ts",
    "plan-training.ts",
    "save-model.ts",
    "generate-text.ts",
  ],
  // Of training only how documents become one stream of tokens. An audit takes a memory's rows and addresses apart.
  eval: [
    "open-model.ts",
    "generate-text.ts",
    "inference",
    "memory",
    "numerics",
    "worker",
    "type training",
    "training.packDocuments",
  ],
  // Trains and measures in processes of its own; of tensors only what opens an engine.
  study: [
    "model-of-preset.ts",
    "train-model.ts",
    "type open-model.ts",
    "load-model.ts",
    "checkpoint",
    "eval",
    "numerics",
    "tensor",
    "training",
  ],
  // What a page has: a model in a worker, and the platform's own storage and engine.
  browser: [
    "open-model.ts",
    "generate-text.ts",
    "bytes",
    "checkpoint",
    "type inference",
    "type model",
    "tensor",
    "worker",
  ],
  // Puts what tokenizer, addresses, tables and sessions say side by side; runs no graph itself.
  inspect: ["open-model.ts", "inference", "memory", "tokenizer"],
  // Of a model its tokenizer; of texts their tokens.
  grammar: ["type inference", "tokenizer", "worker"],
  // Messages and turns; a model as what opens a session.
  chat: ["generate-text.ts", "inference", "tokenizer", "worker"],
  // Text and requests; tensors and tables it sees only through what these hand out.
  server: [
    "facts",
    "src/memory/memory.ts",
    "open-model.ts",
    "generate-text.ts",
    "chat",
    "grammar",
    "inference",
    "inspect",
    "tokenizer",
    "worker",
  ],
  cli: ["*"],
  // What the package exports: `.` and its sub-paths.
  "index.ts": ["*"],
  "index-core.ts": ["*"],
  "index-server.ts": ["*"],
  "index-training.ts": ["*"],
  "index-web.ts": ["*"],
};

/** What any reader may say of the bytes it was given, how anybody closes what was opened, and gives way to others. */
export const openToAll: readonly string[] = [
  "disposal-stack.ts",
  "errors.ts",
  "foreign-file.ts",
  "next-turn.ts",
  "schema-words.ts",
];

/** Folders below a folder that others may import, through an `index.ts` of their own. */
export const nestedEntryPoints: readonly string[] = [
  "src/at-rest/node/index.ts",
  "src/bytes/node/index.ts",
  "src/chat/node/index.ts",
  "src/checkpoint/node/index.ts",
  "src/eval/tasks/index.ts",
  "src/eval/tasks/node/index.ts",
  "src/facts/node/index.ts",
  "src/grammar/node/index.ts",
  "src/hub/node/index.ts",
  "src/machine/node/index.ts",
  "src/memory/counted/node/index.ts",
  "src/memory/stores/out-of-core/node/index.ts",
  "src/memory/stores/ranges/node/index.ts",
  "src/memory/stores/valkey/node/index.ts",
  "src/tensor/backends/onnx/index.ts",
  "src/tensor/backends/onnx/node/index.ts",
  "src/tensor/backends/reference/index.ts",
  "src/server/node/index.ts",
  "src/study/node/index.ts",
  "src/tokenizer/node/index.ts",
  "src/worker/node/index.ts",
  "src/training/node/index.ts",
];

/** The files outside `node/` and `cli/` in which the platform is chosen. */
export const platformChoosers: readonly string[] = [
  "src/count-text.ts",
  "src/doctor.ts",
  "src/load-model.ts",
  "src/quantize-model.ts",
  "src/save-model.ts",
  "src/graft-model.ts",
  "src/model-to-train.ts",
  "src/origin-model.ts",
  "src/train-model.ts",
  "src/index.ts",
  "src/index-server.ts",
  "src/index-training.ts",
];

/** Packages, and the only folders that may import them. */
export const packageHomes: Readonly<Record<string, readonly string[]>> = {
  "@hono/node-server": ["src/server/node/"],
  "@huggingface/hub": ["src/hub/"],
  "@huggingface/jinja": ["src/chat/"],
  "@huggingface/tokenizers": ["src/tokenizer/"],
  commander: ["src/cli/"],
  hono: ["src/server/"],
  iovalkey: ["src/memory/stores/valkey/node/"],
  koffi: ["src/tensor/backends/onnx/node/", "src/bytes/node/"],
  zod: ["src/cli/", "src/server/", "src/eval/tasks/", "src/study/", "src/schema-words.ts"],
};
