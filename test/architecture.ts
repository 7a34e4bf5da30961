/**
 * The architecture as rules over source files: who may import whom, and what no file may be. Works on
 * texts it is given, so that the rules can be tested on made-up trees; reads no disk.
 */

export interface SourceFile {
  /** From the repository's root, with forward slashes: "src/memory/hash.ts". */
  readonly path: string;
  readonly text: string;
}

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
  // `memory` for its stores: what is measured is what will be read through.
  // What a memory is to a model; of a model what opens a session, of texts their tokens.
  facts: [
    "src/memory/memory.ts",
    "bytes",
    "inference",
    "numerics",
    "type teaching",
    "type tokenizer",
  ],
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
  // Puts what tokenizer, addresses, tables and sessions say side by side; runs no graph itself.
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
const openToAll: readonly string[] = [
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
const platformChoosers: readonly string[] = [
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
const packageHomes: Readonly<Record<string, readonly string[]>> = {
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

const lineLimit = 500;

/** Every breach of a rule, as "path: what", in the order of the files. */
export function findBreaches(files: readonly SourceFile[]): string[] {
  const paths = new Set(files.map(({ path }) => path));
  const breaches: string[] = [];
  for (const file of files) {
    const report = (what: string): void => void breaches.push(`${file.path}: ${what}`);
    checkName(file, report);
    checkText(file, report);
    if (file.path.startsWith("web/")) checkPage(file, report);
    if (!file.path.startsWith("src/")) continue;
    checkSource(file, report);
    if (!isTest(file.path)) checkImports(file, report);
  }
  for (const folder of foldersThatNeedAnIndex(files))
    if (!paths.has(`${folder}/index.ts`)) breaches.push(`${folder}: has no index.ts`);
  return breaches;
}

type Report = (what: string) => void;

function checkName({ path }: SourceFile, report: Report): void {
  const attic = path.split("/").find((part) => /^(utils?|helpers?|commons?|misc)(\.|$)/.test(part));
  if (attic !== undefined) report(`"${attic}" is no name: say what is in it`);
}

/** With a class of one letter each, so that this file does not find itself. */
const openWork = /\b(?:T[O]DO|F[I]XME|X[X]X|H[A]CK)\b/;

const unexplainedSkip =
  /\.skip\(\)|\bskip: true|\b(?:test|it|describe)\.skip\((?!\s*(["'`])(?:(?!\1).)*\()/g;

function checkText({ path, text }: SourceFile, report: Report): void {
  const [left] = openWork.exec(text) ?? [];
  if (left !== undefined) report(`${left} left in the code: do it, or write an issue`);
  if (!isTest(path)) return;
  for (const [call] of text.matchAll(/\b(?:test|it|describe|suite)\.(?:only|todo)\(|\bonly: true/g))
    report(`${call} leaves tests out`);
  for (const [call] of text.matchAll(unexplainedSkip))
    report(
      `${call} does not say why; use t.skip("why"), { skip: "why" } or test.skip("name (why)")`,
    );
}

function checkSource({ path, text }: SourceFile, report: Report): void {
  const numLines = text.split("\n").length - 1;
  if (numLines > lineLimit) report(`${numLines} lines, the limit is ${lineLimit}`);
  // A test's sentences say what it is; any other file says so at its head.
  if (!isTest(path) && !/^(#!.*\n)?\s*\/[*/]/.test(text)) report("does not begin with a comment");
  if (/\/index(-\w+)?\.ts$/.test(path) && /[^\s;]/.test(withoutReExports(text)))
    report("an index.ts lists names and holds no logic");
}

function withoutReExports(text: string): string {
  return text
    .replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*/g, "")
    .replaceAll(/export (?:type )?(?:\{[^}]*\}|\*(?: as \w+)?) from "[^"]+";?/g, "");
}

interface Import {
  readonly target: string;
  /** Names that are not types; "*" for everything. Empty where only types cross. */
  readonly values: readonly string[];
}

function checkImports({ path, text }: SourceFile, report: Report): void {
  const mayUseNode = /\/node\/|^src\/cli\//.test(path);
  const from = unitOf(path);
  if (importTable[from] === undefined) report(`"${from}" is not in the import table`);
  for (const { target, values } of importsOf(text)) {
    if (target.startsWith("node:")) {
      if (!mayUseNode) report(`imports ${target} outside node/ and cli/`);
    } else if (!target.startsWith(".")) {
      const homes = packageHomes[packageOf(target)];
      if (homes === undefined)
        report(`imports ${target}, which is no package of ours or a Node module without "node:"`);
      else if (!homes.some((home) => path.startsWith(home)))
        report(`imports ${target}, which only ${homes.join(" and ")} may`);
    } else {
      const resolved = resolvePath(path, target);
      if (!resolved.startsWith("src/")) report(`imports ${resolved}, which is outside src`);
      else if (unitOf(resolved) !== from) checkCrossing({ path, from, resolved, values }, report);
      if (resolved.includes("/node/") && !mayUseNode && !platformChoosers.includes(path))
        report(`imports ${resolved}: only node/, cli/ and ${platformChoosers.join(", ")} may`);
    }
  }
}

/** Packages that end up in the page, or build it. */
const pagePackages: readonly string[] = ["svelte", "uplot"];
const pageBuilders: readonly string[] = ["vite", "@sveltejs/vite-plugin-svelte"];

/** The page is a client: of the library it may know the types of what is sent, and nothing that runs. */
function checkPage({ path, text }: SourceFile, report: Report): void {
  const numLines = text.split("\n").length - 1;
  if (numLines > lineLimit) report(`${numLines} lines, the limit is ${lineLimit}`);
  const isScript = path.endsWith(".ts") && !isTest(path);
  if (isScript && !/^\s*\/[*/]/.test(text)) report("does not begin with a comment");
  if (path.endsWith(".svelte") && !/^<script lang="ts">\n\s*\/\//.test(text))
    report("does not begin with a script that says what it is");
  if (isTest(path)) return;
  const packages = path === "web/vite.config.ts" ? pageBuilders : pagePackages;
  for (const { target, values } of importsOf(text)) {
    if (!target.startsWith(".")) {
      if (!packages.includes(packageOf(target)) && !packages.includes(target))
        report(`imports ${target}: the page may import ${packages.join(" and ")} only`);
      continue;
    }
    const resolved = resolvePath(path, target);
    if (resolved.startsWith("web/")) continue;
    if (!resolved.startsWith("src/")) report(`imports ${resolved}, which is neither web nor src`);
    else for (const name of values) report(`imports ${name} of ${resolved}: only types may cross`);
  }
}

function checkCrossing(
  edge: { path: string; from: string; resolved: string; values: readonly string[] },
  report: Report,
): void {
  const { from, resolved, values } = edge;
  const to = unitOf(resolved);
  if (openToAll.includes(to)) return;
  const allowed = importTable[from] ?? [];
  if (allowed.includes(resolved)) return;
  const isOpen = allowed.includes("*") || allowed.includes(to);
  const isTyped = allowed.includes(`type ${to}`);
  if (!isOpen && !isTyped) report(`imports ${resolved}: ${from} may not import ${to}`);
  else if (!isOpen)
    for (const name of values)
      if (!allowed.includes(`${to}.${name}`))
        report(`imports ${name} of ${resolved}: ${from} may import only types from ${to}`);
  const isEntry = !to.includes("/") && (to.endsWith(".ts") || resolved === `src/${to}/index.ts`);
  if (!isEntry && !nestedEntryPoints.includes(resolved))
    report(`imports ${resolved} past its folder's index.ts`);
}

/** Static, dynamic and side-effect imports and re-exports; comments are not read. */
export function importsOf(text: string): Import[] {
  const code = text.replaceAll(/\/\*[\s\S]*?\*\/|(^|\s)\/\/.*/g, "");
  const found: Import[] = [];
  const statement = /\b(?:import|export)\s+(type\s+)?([^;"']*?)\s*from\s*"([^"]+)"/g;
  for (const [, type, names, target] of code.matchAll(statement))
    found.push({ target: target!, values: type === undefined ? valuesIn(names!) : [] });
  for (const [, target] of code.matchAll(/\bimport\s*[(\s]\s*"([^"]+)"/g))
    found.push({ target: target!, values: ["*"] });
  return found;
}

function valuesIn(names: string): string[] {
  const [, listed] = /^\{([^}]*)\}$/.exec(names.trim()) ?? [];
  if (listed === undefined) return ["*"];
  return listed
    .split(",")
    .map((name) => name.trim().split(/\s+as\s+/)[0]!)
    .filter((name) => name !== "" && !name.startsWith("type "));
}

/** The folder directly below `src`, or the file at its root. */
function unitOf(path: string): string {
  return path.split("/")[1]!;
}

function packageOf(target: string): string {
  return target.split("/", target.startsWith("@") ? 2 : 1).join("/");
}

function resolvePath(from: string, target: string): string {
  const parts = from.split("/").slice(0, -1);
  for (const part of target.split("/"))
    if (part === "..") parts.pop();
    else if (part !== ".") parts.push(part);
  return parts.join("/");
}

function isTest(path: string): boolean {
  return path.endsWith(".test.ts");
}

/** Folders directly below `src`, and `node` folders: what is under others is their parent's affair. */
function foldersThatNeedAnIndex(files: readonly SourceFile[]): Set<string> {
  const folders = new Set<string>();
  for (const { path } of files) {
    const parts = path.split("/").slice(0, -1);
    if (parts[0] !== "src") continue;
    if (parts.length > 1) folders.add(parts.slice(0, 2).join("/"));
    if (parts.at(-1) === "node") folders.add(parts.join("/"));
  }
  return folders;
}
