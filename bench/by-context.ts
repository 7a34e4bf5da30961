/**
 * Where one model predicts better than another: the difference in loss by what the context offers.
 *
 *   node bench/by-context.ts MODEL-A MODEL-B TEXT [tokens=16000] [threads=2]
 *
 * No timing. Both models must have the same tokenizer. Each token of the text that is scored falls into
 * one class: the pair of it and the token before stands earlier in the window, so that copying would
 * have found it ("pair seen"); only the token does ("token seen"); or neither ("new"). A memory of
 * n-grams can help with the last; with the first it competes with induction heads (docs/log.md).
 */
import { needed, readWords } from "./setup/command-line.ts";
import { readFileSync } from "node:fs";
import { loadModel, type Model, ortBackend } from "../src/index.ts";
import { Scorer, type TokenStream } from "../src/inference/index.ts";
import { packDocuments } from "../src/training/index.ts";
import { readAll } from "../src/training/node/index.ts";

const { pathA, pathB, text, maxTokens, threads } = readWords({
  pathA: needed,
  pathB: needed,
  text: needed,
  maxTokens: 16_000,
  threads: 2,
});
const backend = ortBackend({ threads });

interface Scored {
  readonly nats: number;
  readonly windowStart: number;
}

async function score(model: Model, stream: TokenStream): Promise<Map<number, Scored>> {
  const tokens = new Map<number, Scored>();
  const scorer = await Scorer.create(model.languageModel());
  await scorer.score(stream, {
    maxTokens,
    onToken: (at, nats, windowStart) => tokens.set(at, { nats, windowStart }),
  });
  await scorer.dispose();
  return tokens;
}

await using a = await loadModel(pathA, { backend });
await using b = await loadModel(pathB, { backend });
const tokenizers = [pathA, pathB].map((path) => readFileSync(`${path}/tokenizer.json`, "utf8"));
if (tokenizers[0] !== tokenizers[1]) throw new Error("the models have different tokenizers");
const stream = await packDocuments(readAll([text]), a.tokenizer);
const [scoredA, scoredB] = [await score(a, stream), await score(b, stream)];

type Class = "pair seen" | "token seen" | "new";

function classOf(at: number, windowStart: number): Class {
  const { tokens } = stream;
  let found: Class = "new";
  for (let i = windowStart + 1; i < at; i++) {
    if (tokens[i] !== tokens[at]) continue;
    if (tokens[i - 1] === tokens[at - 1]) return "pair seen";
    found = "token seen";
  }
  return found;
}

const sums = new Map<string, { count: number; a: number; b: number }>();
for (const [at, { nats, windowStart }] of scoredA)
  for (const name of [classOf(at, windowStart), "all"]) {
    const sum = sums.get(name) ?? { count: 0, a: 0, b: 0 };
    sums.set(name, {
      count: sum.count + 1,
      a: sum.a + nats,
      b: sum.b + scoredB.get(at)!.nats,
    });
  }
console.log("class        tokens   A nats   B nats    A - B   share of all");
for (const name of ["pair seen", "token seen", "new", "all"]) {
  const sum = sums.get(name) ?? { count: 0, a: 0, b: 0 };
  const mean = (x: number): string => (x / Math.max(1, sum.count)).toFixed(3).padStart(8);
  console.log(
    `${name.padEnd(11)}${String(sum.count).padStart(8)} ${mean(sum.a)} ${mean(sum.b)} ${mean(sum.a - sum.b)} ` +
      ((sum.a - sum.b) / scoredA.size).toFixed(4).padStart(14),
  );
}
await backend.dispose();
