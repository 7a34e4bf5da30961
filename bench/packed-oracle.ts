/**
 * How far logits of packed weights are from those of the same weights as f32, the slow oracle. Stands for no claim.
 *
 *   node bench/packed-oracle.ts [dtype=q4] [checkout=.] [model=assets/shakespeare]
 *
 * A text is read token by token, then the same in one piece: the KL divergence from the oracle, and how often the likeliest
 * id is the oracle's. The numbers are those that the checkout packs and its own `dequantizeMatrix` gives back. The digest tells
 * whether two checkouts pack alike.
 */
import { createHash } from "node:crypto";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { readWords } from "./setup/command-line.ts";

const root = join(import.meta.dirname, "..");
const {
  dtype,
  checkout,
  model: path,
} = readWords({ dtype: "q4", checkout: root, model: join(root, "assets/shakespeare") });

const text = `ROMEO:
What is the matter with the king, that he should weep
And call upon the heavens for their love?

JULIET:
I do not know, my lord; but he hath said
That all the world is but a stage of sorrow,
And we poor players that must strut and fret
Our hour upon it, and then are heard no more.

KING RICHARD:
Come, gentle friends, let us not weep for this,
For what is done is done, and cannot be undone.`;

/** What is used of a checkout, whose own types may differ from ours. */
interface Modules {
  loadModel(
    path: string,
    options: object,
  ): Promise<{ language: Language; tokenizer: { encode(text: string): ArrayLike<number> } }>;
  Decoder: new (model: object) => { createSession(): Session };
  argmax(logits: Float32Array): number;
  dequantizeMatrix(matrix: object): { data: Float32Array };
  ortBackend(options: object): unknown;
}
interface Language {
  readonly params: object;
  readonly quantized: ReadonlyMap<string, { codes: Uint8Array; scales: Float32Array }>;
}
interface Session {
  append(ids: readonly number[], want?: object): Promise<{ logits: Float32Array }>;
}

const files = ["load-model", "inference/index", "model/index", "tensor/backends/onnx/node/index"];
const modules = files.map(
  (name) => import(pathToFileURL(join(resolve(checkout), "src", `${name}.ts`)).href),
);
const { loadModel, Decoder, argmax, dequantizeMatrix, ortBackend } = Object.assign(
  {},
  ...(await Promise.all(modules)),
) as Modules;
const model = await loadModel(path, { backend: () => ortBackend({ threads: 1 }), dtype });
const { quantized, ...language } = model.language;
const numbers = [...quantized].map(([name, matrix]) => [name, dequantizeMatrix(matrix)] as const);
const oracle = {
  ...language,
  quantized: new Map(),
  params: { ...language.params, ...Object.fromEntries(numbers) },
};
const digest = createHash("sha256");
for (const [, { codes, scales }] of [...quantized].toSorted(([a], [b]) => (a < b ? -1 : 1)))
  digest.update(codes).update(scales);

const ids = Array.from(model.tokenizer.encode(text));
const stepped = async (of: object): Promise<Float32Array[]> => {
  const session = new Decoder(of).createSession();
  const all: Float32Array[] = [];
  for (const id of ids) all.push((await session.append([id])).logits.slice());
  return all;
};
const atOnce = async (of: object): Promise<Float32Array[]> => {
  const { logits } = await new Decoder(of).createSession().append(ids, { logits: "all" });
  const width = logits.length / ids.length;
  return ids.map((_, i) => logits.slice(i * width, (i + 1) * width));
};

/** Natural logarithms of probabilities. */
function logProbs(logits: Float32Array): Float64Array {
  const most = logits.reduce((a, b) => Math.max(a, b));
  const total = Math.log(logits.reduce((sum, x) => sum + Math.exp(x - most), 0)) + most;
  return Float64Array.from(logits, (x) => x - total);
}

const expected = await stepped(oracle);
for (const [how, found] of [
  ["oracle at once", await atOnce(oracle)],
  ["token by token", await stepped(model.language)],
  ["at once", await atOnce(model.language)],
] as const) {
  const kl = found.map((logits, i) => {
    const [p, q] = [logProbs(expected[i]!), logProbs(logits)];
    return p.reduce((sum, x, at) => sum + Math.exp(x) * (x - q[at]!), 0);
  });
  const sorted = kl.toSorted((a, b) => a - b);
  const alike = found.filter((logits, i) => argmax(logits) === argmax(expected[i]!)).length;
  const mean = kl.reduce((sum, x) => sum + x, 0) / kl.length;
  console.log(
    `${dtype} ${how.padEnd(14)} KL mean ${mean.toExponential(2)}, median ${sorted[kl.length >> 1]!.toExponential(2)}, ` +
      `most ${sorted.at(-1)!.toExponential(2)}; likeliest alike ${alike} of ${kl.length}; weights ${digest.copy().digest("hex").slice(0, 8)}`,
  );
}
process.exit(0);
