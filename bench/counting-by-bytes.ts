/**
 * The neighbour of a curve over bytes (docs/studies/bytes.json): Kneser-Ney of the training text, pruned to the same
 * bytes, alone and mixed with a model that was trained without a memory.
 *
 *   node bench/counting-by-bytes.ts MODEL TEXT TRAINED [sizes=1,4,16,64]
 *
 * No timing. MODEL was trained on TRAINED, TEXT is held out, sizes are in MiB. For each size the best of the orders 2 to 5
 * on TEXT itself, which favours counting. The weight of a mixture is fitted on the other half of the text.
 */
import { needed, readWords } from "./setup/command-line.ts";
import { counter, countedNats } from "../src/eval/audit/counting.ts";
import { mixture } from "../src/eval/audit/mixture.ts";
import { scoreText } from "../src/eval/audit/scored-text.ts";
import { loadModel } from "../src/load-model.ts";
import { leastCountedBytes } from "../src/memory/index.ts";
import { packDocuments } from "../src/training/index.ts";
import { readAll } from "../src/training/node/index.ts";

const words = readWords({ model: needed, text: needed, trained: needed, sizes: "1,4,16,64" });
await using model = await loadModel(words.model);
const { tokenizer, language } = model;
const { vocabSize } = tokenizer;
const text = await packDocuments(readAll([words.text]), tokenizer);
const trained = await packDocuments(readAll([words.trained]), tokenizer);
const { at, nats } = await scoreText(language, text);
const numBytes = at.reduce(
  (sum, place) => sum + tokenizer.tokenBytes(text.tokens[place]!).length,
  0,
);
const bits = (of: ArrayLike<number>): number =>
  Array.from(of).reduce((sum, one) => sum + one, 0) / Math.LN2 / numBytes;
console.log(`${words.model}: ${bits(nats).toFixed(4)} bits per byte, ${at.length} tokens`);
const counters = [2, 3, 4, 5].map((order) => ({
  order,
  count: counter(trained.tokens, { order, vocabSize }),
}));
for (const size of [...words.sizes.split(",").map(Number), Infinity]) {
  const all = counters
    .filter(({ order }) => size * 2 ** 20 >= leastCountedBytes({ order, vocabSize }))
    .map(({ order, count }) => {
      const counts = count(size * 2 ** 20);
      const alone = countedNats(counts, text.tokens, at);
      return {
        order,
        bytes: counts.numBytes,
        alone: bits(alone),
        mixed: bits(mixture(nats, alone).nats),
      };
    });
  const [best] = all.toSorted((a, b) => a.mixed - b.mixed);
  console.log(
    best === undefined
      ? `${size} MiB: no order's directory fits`
      : `${size} MiB: order ${best.order}, ${(best.bytes / 2 ** 20).toFixed(2)} MiB: alone ${best.alone.toFixed(4)}, ` +
          `mixed with the model ${best.mixed.toFixed(4)}`,
  );
}
