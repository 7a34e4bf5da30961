/**
 * What packs do for a model: bits per byte of texts with packs off, with each, and with pairs of them. Claim it stands for: a
 * text of a pack's domain takes a fifth fewer bits, one of another at most 0.5 % more, and each of a pair is within
 * 1 % of alone.
 *
 *   node bench/packs.ts MODEL TOKENS BASE.pack PACK... -- TEXT...
 *
 * BASE brings the reader of a model that has none ("-" for a model that counts). No timing. The model reads about TOKENS tokens of
 * each text once, in windows that do not overlap, in which counts begin anew, too; what packs and the reader make of it is computed beside it, after the first window's loss was compared
 * with what the model itself says with the packs. One CSV row a text and choice of packs.
 */
import "./setup/command-line.ts";
import { basename } from "node:path";
import { InvalidConfigError } from "../src/errors.ts";
import { loadModel, ortBackend } from "../src/index.ts";
import { Scorer, type TokenStream } from "../src/inference/index.ts";
import type { Memory } from "../src/memory/index.ts";
import { packDocuments } from "../src/training/index.ts";
import { readAll } from "../src/training/node/index.ts";

const words = process.argv.slice(2);
const between = words.indexOf("--");
const [path, tokens, base, ...others] = words.slice(0, between);
const texts = words.slice(between + 1);
if (between < 3 || path === undefined || base === undefined || texts.length === 0)
  throw new InvalidConfigError("expected MODEL TOKENS BASE PACK... -- TEXT...");
const backend = ortBackend({ threads: 1 });
const bases = base === "-" ? [] : [base];
await using model = await loadModel(path, { backend, packs: [...bases, ...others] });
const { hiddenSize, counted, numLayers: layerId, maxPositions } = model.config;
const LENGTH = Math.min(512, maxPositions);
const order = counted!.order;
const width = 3 * (order - 1);
const nameOf = (file: string): string => basename(file).replace(/\.pack$/, "");
const baseNames = bases.map(nameOf);

/** Each choice of packs, by its name. */
const choices = new Map<string, Memory | undefined>();
const choose = (packs: readonly string[]): void => {
  const memory = model.packs!.memory(model.counts, packs) ?? model.counts;
  choices.set(packs.join("+") || "off", memory);
};
choose([]);
if (baseNames.length > 0) choose(baseNames);
const names = others.map(nameOf);
for (const one of names) {
  choose([one, ...baseNames]);
}
for (const one of names)
  for (const other of names) if (one !== other) choose([one, other, ...baseNames]);

const reader = ["hidden.weight", "evidence.weight", "bias"].map(
  (name) => model.language.params[`memory_mixture.${name}`]!.data as Float32Array,
) as [Float32Array, Float32Array, Float32Array];

/** -log of the chance with what a memory says mixed in. */
function mixed(loss: number, hidden: Float32Array, evidence: Float32Array, chances: Float32Array) {
  const [ofHidden, ofEvidence, bias] = reader;
  const shares = Array.from(bias, (start, k) => {
    let sum = start;
    for (let i = 0; i < hiddenSize; i++) sum += ofHidden[k * hiddenSize + i]! * hidden[i]!;
    for (let i = 0; i < width; i++) sum += ofEvidence[k * width + i]! * evidence[i]!;
    return sum;
  });
  const largest = Math.max(...shares);
  let [total, sum] = [0, 0];
  for (const [k, share] of shares.entries()) {
    const weight = Math.exp(share - largest);
    total += weight;
    sum += weight * (k === 0 ? Math.exp(-loss) : chances[k - 1]!);
  }
  return -Math.log(sum / total);
}

interface Run {
  readonly first: number;
  readonly losses: number[];
  readonly hidden: Float32Array[];
}

/** What the model says of runs of tokens that follow each other in one document. */
async function* read(stream: TokenStream): AsyncGenerator<Run> {
  const view = { memory: model.rows };
  const options = { batch: 1, length: LENGTH, hidden: true, view };
  await using scorer = await Scorer.create(model.language, options);
  const scoring = { stride: LENGTH, maxTokens: Number(tokens) };
  for await (const { tokens: scored, losses } of scorer.batches(stream, scoring)) {
    const states = scorer.hidden!.data as Float32Array;
    let run: Run | undefined;
    for (const { at, label } of scored) {
      if (run === undefined || label !== run.first + run.losses.length) {
        if (run !== undefined) yield run;
        run = { first: label, losses: [], hidden: [] };
      }
      run.losses.push(losses[at]!);
      run.hidden.push(states.slice(at * hiddenSize, (at + 1) * hiddenSize));
    }
    if (run !== undefined) yield run;
  }
}

console.log("text,packs,tokens,bits_per_byte,against_off_percent");
for (const text of texts) {
  const stream = await packDocuments(readAll([text]), model.tokenizer);
  const sums = new Map<string, number>([...choices.keys()].map((name) => [name, 0]));
  const readers = new Map([...choices].map(([name, memory]) => [name, memory?.reader()]));
  const firsts: number[] = [];
  const expected = await firstLosses(stream);
  let numTokens = 0;
  for await (const { first, losses, hidden } of read(stream)) {
    const [from, to] = [first - 1, first - 1 + losses.length];
    numTokens += losses.length;
    for (const [name, of] of readers) {
      if (of === undefined) {
        sums.set(name, sums.get(name)! + losses.reduce((a, b) => a + b, 0));
        continue;
      }
      const evidence = new Float32Array(losses.length * width);
      const span = { ids: stream.tokens, begin: from, from, to };
      const lookUp = of.lookUp(of.address([span]), new Map([[layerId, evidence]]));
      await lookUp.all();
      const chances = new Float32Array(order - 1);
      for (const [i, loss] of losses.entries()) {
        lookUp.distributions!.chances(i, stream.tokens[first + i]!, chances);
        const ofToken = evidence.subarray(i * width, (i + 1) * width);
        const nats = mixed(loss, hidden[i]!, ofToken, chances);
        sums.set(name, sums.get(name)! + nats);
        if (name === [...choices.keys()].at(-1) && firsts.length < expected.length)
          firsts.push(nats);
      }
    }
  }
  const worst = Math.max(...expected.map((nats, i) => Math.abs(nats - firsts[i]!)));
  if (!(worst < 1e-2)) throw new Error(`the model itself differs by ${worst} nats a token`);
  const scored = stream.tokens.length - stream.starts.length;
  const off = sums.get("off")!;
  for (const [name, nats] of sums) {
    const bits = ((nats / numTokens) * scored) / Math.LN2 / stream.numBytes;
    const change = 100 * (nats / off - 1);
    console.log([basename(text), name, numTokens, bits.toFixed(4), change.toFixed(2)].join());
  }
}

/** Losses of the first tokens with the last choice of packs, as the model computes them. */
async function firstLosses(stream: TokenStream): Promise<number[]> {
  const [, end = Infinity] = stream.starts;
  const most = Math.min(LENGTH, end, stream.tokens.length);
  const part = { ...stream, tokens: stream.tokens.subarray(0, most), starts: Uint32Array.of(0) };
  const memory = model.memoryFor({ packs: [...choices.keys()].at(-1)!.split("+") })!;
  await using scorer = await Scorer.create(model.language, {
    batch: 1,
    length: LENGTH,
    view: { memory },
  });
  const losses: number[] = [];
  await scorer.score(part, { onToken: (_, nats) => losses.push(nats) });
  return losses;
}
