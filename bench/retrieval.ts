/**
 * From ids to memory vectors, step by step. Claims it stands for: addressing costs less than 1 us a
 * token and layer at 16 columns, and the whole of retrieval is small beside a training step.
 *
 *   taskset -c 1 node bench/retrieval.ts [--tokens 2048] [--dim 16] [--rows-per-head 65536] [--rounds 40]
 *
 * Inside the timing windows: one call each of addressing (hash of every position), de-duplication,
 * retrieval (de-duplication included, read, decode, dealing out) and writing back, for one layer with
 * orders 2 and 3 and 8 heads. Outside: making the ids (Zipf's law, exponent 1, 98,627 of them, as a
 * text has them), opening stores, the first three rounds. Figures are medians. The batch is new each
 * round.
 */
import { readOptions } from "./setup/command-line.ts";
import { cpus } from "node:os";
import {
  addressBatch,
  buildAddressing,
  buildLayout,
  RamStore,
  Retrieval,
  ROW_FORMAT_NAMES,
  RowDeduper,
  rowFormat,
} from "../src/memory/index.ts";
import { Random } from "../src/numerics/index.ts";

const flags = readOptions({
  tokens: 2048,
  dim: 16,
  "rows-per-head": 65536,
  rounds: 40,
});
const tokens = flags.tokens;
const headDim = flags.dim;
const bucketRows = flags["rows-per-head"];
const layout = buildLayout({
  layerIds: [1],
  maxNgramSize: 3,
  numHeads: 8,
  minBucketRows: [bucketRows, bucketRows],
  padTokenId: 2,
  compressedVocabSize: 98_627,
  seed: 0,
});
const addressing = buildAddressing(layout, 2);
const { numRows } = layout.layers[0]!;
const C = addressing.numColumns;
const random = Random.fromSeed(1);

/** Ranks by Zipf's law: uniform in the logarithm. */
function drawIds(): Int32Array {
  return Int32Array.from({ length: tokens }, () =>
    Math.floor(Math.exp(random.uniform() * Math.log(98_627))),
  );
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

const times = new Map<string, number[]>();
async function timed<T>(what: string, round: number, body: () => T | Promise<T>): Promise<T> {
  const start = performance.now();
  const result = await body();
  if (round >= 0) times.set(what, [...(times.get(what) ?? []), performance.now() - start]);
  return result;
}

const deduper = new RowDeduper();
const tables = ROW_FORMAT_NAMES.map((name) => {
  const format = rowFormat(name, headDim);
  const store = new RamStore({ numRows, rowBytes: format.rowBytes });
  return { name, retrieval: new Retrieval([{ layerId: 1, store, format }]) };
});
const memory_PE = new Float32Array(tokens * C * headDim);
let distinct = 0;
for (let round = -3; round < flags.rounds; round++) {
  const ids = drawIds();
  const [rows] = await timed("address", round, () =>
    addressBatch(addressing, ids, { sequenceLength: Math.min(tokens, 512) }),
  );
  distinct = (await timed("de-duplicate", round, () => deduper.dedupe(rows!))).unique.length;
  for (const { name, retrieval } of tables) {
    const request = { rows: rows!, memory_PE };
    const batch = await timed(`retrieve ${name}`, round, () => retrieval.retrieve(1, request));
    await timed(`write back ${name}`, round, () => retrieval.writeBack(batch));
  }
}

console.log(
  `${cpus()[0]?.model}, Node ${process.version}, ${tokens} tokens, ${C} rows of ${headDim} values each ` +
    `(${distinct} of ${tokens * C} rows distinct), table of ${numRows} rows`,
);
for (const [what, samples] of times) {
  const ms = median(samples);
  console.log(
    `${what.padEnd(16)} ${ms.toFixed(3).padStart(8)} ms  ${((ms * 1e6) / tokens).toFixed(0).padStart(6)} ns/token`,
  );
}
const perToken = (median(times.get("address")!) * 1000) / tokens;
console.log(
  `bar: address < 1 us/token/layer at 16 columns: ${perToken.toFixed(3)} ${perToken < 1 ? "met" : "MISSED"}`,
);
