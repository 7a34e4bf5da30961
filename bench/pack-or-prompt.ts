/**
 * A pack beside text of its corpus in the prompt: bits a byte of the same ids of held-out text after what was read before them,
 * with nothing else; with the pack; with a passage of the pack's own corpus in front, which shares most with what was read; and with as
 * much more of the text itself in the passage's place. Stands for no claim: it says which wins.
 *
 *   node bench/pack-or-prompt.ts MODEL PACK CORPUS HELD [--base BASE.pack] [--window 256] [--passage 96] [--scored 32] [--blocks 64]
 *
 * CORPUS is what PACK was made of, HELD is not in it. --base brings the reader of a model that has none. Each block is read as one
 * window, anew: a passage of --passage ids (or none), what comes before in the text, and --scored ids, of which the chances are taken.
 * Blocks lie evenly in HELD, where its documents have room for the longest. Passages (`setup/passages.ts`) are found
 * in one reading of the corpus for all blocks; its time is told apart. ± is 95 % over the blocks, of the difference from
 * "nothing" by pairs. Milliseconds are the processor's for a block, median.
 */
import { needed, readWords } from "./setup/command-line.ts";
import { basename } from "node:path";
import { RequestError } from "../src/errors.ts";
import { loadModel, ortBackend } from "../src/index.ts";
import { Scorer } from "../src/inference/index.ts";
import { packDocuments } from "../src/training/index.ts";
import { readAll } from "../src/training/node/index.ts";
import { findPassages } from "./setup/passages.ts";
import { median } from "./setup/training-run.ts";

const {
  model: path,
  pack,
  corpus,
  held,
  base,
  ...sizes
} = readWords(
  { model: needed, pack: needed, corpus: needed, held: needed },
  { base: undefined, window: 256, passage: 96, scored: 32, blocks: 64 },
);
const { window, passage, scored, blocks } = sizes;
const packs = [pack, ...(base === undefined ? [] : [base])];
await using model = await loadModel(path, { backend: () => ortBackend({ threads: 1 }), packs });
const { tokenizer } = model;
const names = packs.map((file) => basename(file).replace(/\.pack$/, ""));

const { tokens, starts } = await packDocuments(readAll([held]), tokenizer);
const ends = [...starts.slice(1), tokens.length];
const possible = [...starts].flatMap((start, i) => {
  const all: number[] = [];
  for (let at = start + 1 + window - scored; at + scored <= ends[i]!; at += scored) all.push(at);
  return all;
});
if (possible.length < blocks)
  throw new RequestError(`${held} has room for ${possible.length} blocks; give fewer --blocks`);
const places = Array.from(
  { length: blocks },
  (_, i) => possible[Math.floor((i * possible.length) / blocks)]!,
);

const history = window - scored - passage;
const ofCorpus = await packDocuments(readAll([corpus]), tokenizer);
const searched = process.cpuUsage();
const found = findPassages(
  Int32Array.from(ofCorpus.tokens),
  places.map((at) => tokens.subarray(at - history, at)),
  { size: passage, vocabSize: model.config.vocabSize },
);
const { user, system } = process.cpuUsage(searched);

type Front = (block: number) => ArrayLike<number>;
const none: Front = () => [];
const own: Front = (block) =>
  tokens.subarray(places[block]! - history - passage, places[block]! - history);
const overlap: Front = (block) => found[block]!.overlap;
const exact: Front = (block) => found[block]!.exact;
const off = model.memoryFor({ packs: [] });
const on = model.memoryFor({ packs: names });
const arms = [
  { name: "nothing", front: none, memory: off },
  { name: "pack", front: none, memory: on },
  { name: "more of the text", front: own, memory: off },
  { name: "passage by overlap", front: overlap, memory: off },
  { name: "passage by exact match", front: exact, memory: off },
  { name: "passage by overlap, pack", front: overlap, memory: on },
  { name: "more of the text, pack", front: own, memory: on },
];
const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0);
const bytes = places.map((at) =>
  sum(Array.from(tokens.subarray(at, at + scored), (id) => tokenizer.tokenBytes(id).length)),
);
const numBytes = sum(bytes);
console.log(
  `model=${basename(path)} pack=${names} window=${window} passage=${passage} scored=${scored}: ${blocks} blocks, ${blocks * scored} ids, ${numBytes} bytes`,
);
console.log(
  `passages of ${ofCorpus.tokens.length} ids found in ${((user + system) / 1e6).toFixed(1)} s of the processor for all; exact matches of ${median(found.map(({ matched }) => matched))} ids (median)`,
);
console.log("arm,bits_per_byte,against_nothing,plus_minus,percent,ms_a_block");
let first: number[] | undefined;
for (const { name, front, memory } of arms) {
  const length = history + scored - 1 + front(0).length;
  await using scorer = await Scorer.create(model.language, { batch: 1, length, view: { memory } });
  const bits: number[] = [];
  const times: number[] = [];
  for (const [block, at] of places.entries()) {
    const ids = Uint32Array.from([
      ...Array.from(front(block)),
      ...tokens.subarray(at - history, at + scored),
    ]);
    let nats = 0;
    const stream = { tokens: ids, starts: Uint32Array.of(0), numBytes: 0 };
    const used = process.cpuUsage();
    await scorer.score(stream, {
      stride: length,
      onToken: (label, loss) => {
        if (label >= ids.length - scored) nats += loss;
      },
    });
    const spent = process.cpuUsage(used);
    times.push((spent.user + spent.system) / 1000);
    bits.push(nats / Math.LN2);
  }
  first ??= bits;
  const { mean, error } = ratioOfSums(bits.map((one, i) => one - first![i]!));
  const all = sum(bits) / numBytes;
  const percent = (100 * mean) / (all - mean);
  console.log(
    [
      name,
      all.toFixed(4),
      mean.toFixed(4),
      (1.96 * error).toFixed(4),
      percent.toFixed(1),
      median(times).toFixed(0),
    ].join(),
  );
}

/** Sum of some numbers of blocks over their bytes, with its standard error over blocks. */
function ratioOfSums(numbers: readonly number[]): { mean: number; error: number } {
  const mean = sum(numbers) / numBytes;
  const rest = sum(numbers.map((one, i) => (one - mean * bytes[i]!) ** 2));
  return { mean, error: Math.sqrt((rest * blocks) / (blocks - 1)) / numBytes };
}
