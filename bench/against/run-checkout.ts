/**
 * One side of bench/against/before.ts: decodes with the sources of a checkout, as `run_llama_cpp.py` does with llama.cpp.
 *
 *   node bench/against/run-checkout.ts CHECKOUT MODEL DTYPE MEMORY THREADS CAPACITY
 */
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

/** What is used of a checkout: what its commits have had for long. */
interface Session {
  rewind(length: number): void;
  append(ids: readonly number[]): Promise<{ readonly logits: Float32Array }>;
}
interface Modules {
  loadModel(
    path: string,
    options: object,
  ): Promise<{
    readonly language: unknown;
    readonly config: { readonly vocabSize: number };
  }>;
  Decoder: new (model: unknown, options: object) => { createSession(): Session };
  argmax(logits: Float32Array): number;
  ortBackend(options: object): unknown;
}

const [checkout, path, dtype, memory, threads, capacity] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string,
  string,
];
const parts = ["load-model", "inference/index", "tensor/backends/onnx/node/index"].map(
  (name) => import(pathToFileURL(join(checkout, "src", `${name}.ts`)).href),
);
const { loadModel, Decoder, argmax, ortBackend } = Object.assign(
  {},
  ...(await Promise.all(parts)),
) as Modules;
const model = await loadModel(path, {
  backend: () => ortBackend({ threads: Number(threads) }),
  ...(dtype !== "f32" && { dtype }),
  ...(memory === "off" && { memory: false }),
});
const session = new Decoder(model.language, { capacity: Number(capacity) }).createSession();

interface Request {
  readonly prompt?: number;
  readonly from: number;
  readonly tokens: number;
  readonly id: number;
}

async function answer({ prompt, from, tokens, id }: Request): Promise<number[]> {
  session.rewind(prompt === undefined ? from : 0);
  const { vocabSize } = model.config;
  if (prompt !== undefined) {
    const ids = Array.from({ length: prompt }, (_, i) => (i * 31) % vocabSize);
    return [argmax((await session.append(ids)).logits)];
  }
  const ids: number[] = [];
  for (let i = 0; i < tokens; i++)
    ids.push(argmax((await session.append([ids.at(-1) ?? id])).logits));
  return ids;
}

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line) as Request;
  const used = process.cpuUsage();
  const start = performance.now();
  const ids = await answer(request);
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(used);
  process.stdout.write(`${JSON.stringify({ seconds, cpu: (user + system) / 1e6, ids })}\n`);
}
process.exit(0);
