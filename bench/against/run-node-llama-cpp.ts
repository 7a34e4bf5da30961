/**
 * The other side of bench/against/decode.ts with --peer node-llama-cpp, as `run_llama_cpp.py` is with Python: the same
 * requests and answers, through the calls that a user of that library has.
 *
 *   node bench/against/run-node-llama-cpp.ts MODEL.gguf THREADS CONTEXT
 */
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

/** What is used of node-llama-cpp 3. Our own type, so that the package is needed only here, and only when it is run. */
interface Sequence {
  evaluate(ids: readonly number[], options: object): AsyncGenerator<number>;
  eraseContextTokenRanges(ranges: readonly { start: number; end: number }[]): Promise<void>;
  clearHistory(): Promise<void>;
  readonly nextTokenIndex: number;
}
interface Library {
  getLlama(options: object): Promise<{
    loadModel(options: object): Promise<{
      createContext(options: object): Promise<{ getSequence(): Sequence }>;
      readonly fileInfo: { metadata: { tokenizer: { ggml: { tokens: readonly string[] } } } };
    }>;
  }>;
}

const [path, threads, capacity] = process.argv.slice(2) as [string, string, string];
const found = createRequire(join(process.cwd(), "package.json")).resolve("node-llama-cpp");
const { getLlama } = (await import(pathToFileURL(found).href)) as Library;
const llama = await getLlama({ gpu: false, build: "never", maxThreads: Number(threads) });
const model = await llama.loadModel({ modelPath: path });
const size = Number(capacity);
const context = await model.createContext({
  contextSize: size,
  batchSize: size,
  threads: Number(threads),
});
const sequence = context.getSequence();
const vocabSize = model.fileInfo.metadata.tokenizer.ggml.tokens.length;

async function decode(ids: readonly number[], count: number): Promise<number[]> {
  const chosen: number[] = [];
  for await (const id of sequence.evaluate(ids, { temperature: 0, yieldEogToken: true })) {
    chosen.push(id);
    if (chosen.length === count) break;
  }
  return chosen;
}

interface Request {
  readonly prompt?: number;
  readonly from: number;
  readonly tokens: number;
  readonly id: number;
}

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line) as Request;
  const isPrompt = request.prompt !== undefined;
  if (isPrompt) await sequence.clearHistory();
  else
    await sequence.eraseContextTokenRanges([{ start: request.from, end: sequence.nextTokenIndex }]);
  const ids = isPrompt
    ? Array.from({ length: request.prompt! }, (_, i) => (i * 31) % vocabSize)
    : [request.id];
  const used = process.cpuUsage();
  const start = performance.now();
  const chosen = await decode(ids, isPrompt ? 1 : request.tokens);
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(used);
  process.stdout.write(`${JSON.stringify({ seconds, cpu: (user + system) / 1e6, ids: chosen })}\n`);
}
