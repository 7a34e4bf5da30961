/**
 * How many of a text's rows a cache of a given share of the table already has, by policy, warmed and not. Claim it
 * stands for: which admission policy is worth shipping. Nothing is timed, so the figures are the same on a busy
 * machine: they follow from the text, the table's size and the policy alone.
 *
 *   node bench/cache-hit-rates.ts [--text FILE] [--rows 4194304] [--row-bytes 64] [--shares 0.01,0.05,0.25]
 *     [--tokens 400000] [--batch 1]
 *
 * The first half of the tokens gives the counts that warm, and is replayed to fill the caches that are not warmed;
 * hits are counted over the second half, `batch` tokens a read. Rows asked for, repeats included; bytes are all of
 * the cache's memory, index and counters too, so policies compete at equal memory.
 */
import { parseArgs } from "node:util";
import { fileURLToPath } from "node:url";
import { cached, type CachePolicy, type RowStore } from "../src/memory/index.ts";
import { countRows, traceOfText } from "./setup/row-traces.ts";

const sample = fileURLToPath(new URL("../assets/tinyshakespeare.txt", import.meta.url));
const { values: flags } = parseArgs({
  options: {
    text: { type: "string", default: sample },
    rows: { type: "string", default: "4194304" },
    "row-bytes": { type: "string", default: "64" },
    shares: { type: "string", default: "0.01,0.05,0.25" },
    tokens: { type: "string", default: "400000" },
    batch: { type: "string", default: "1" },
  },
});
const rowBytes = Number(flags["row-bytes"]);
const batch = Number(flags.batch);
const trace = traceOfText(flags.text, {
  bucketRows: Math.floor(Number(flags.rows) / 16),
  maxTokens: Number(flags.tokens),
});
const half = Math.floor(trace.numTokens / 2);
const hot = countRows(trace, { from: 0, to: half });
/** Answers at once with nothing in particular: only the cache around it is looked at. */
const nowhere: RowStore = {
  numRows: trace.numRows,
  rowBytes,
  read: () => Promise.resolve(),
  close: () => Promise.resolve(),
};
const distinct = countRows(trace, { from: 0, to: trace.numTokens }).rows.length;
console.log(
  `${trace.numTokens} tokens of ${flags.text}, ${trace.columns} rows each, ${distinct} distinct, ` +
    `in a table of ${trace.numRows} rows of ${rowBytes} bytes`,
);
const seen = new Set(hot.rows);
const later = trace.rows.subarray(half * trace.columns);
let known = 0;
for (const row of later) if (seen.has(row)) known++;
console.log(
  `rows of the second half that the first half had: ${((100 * known) / later.length).toFixed(2)} %`,
);
for (const share of flags.shares.split(",").map(Number))
  for (const policy of ["lru", "frequency", "none"] as const)
    for (const isWarmed of [false, true]) await measure({ share, policy, isWarmed });

async function measure({
  share,
  policy,
  isWarmed,
}: {
  share: number;
  policy: CachePolicy;
  isWarmed: boolean;
}): Promise<void> {
  const bytes = share * trace.numRows * rowBytes;
  const store = cached(nowhere, { bytes, policy });
  if (isWarmed) await store.warm(hot);
  else await replay(store, 0, half);
  const before = store.stats;
  await replay(store, half, trace.numTokens);
  const { hits, misses, joined, capacityRows } = store.stats;
  const asked = hits + misses + joined - before.hits - before.misses - before.joined;
  const rate = (100 * (hits - before.hits)) / asked;
  console.log(
    `${(100 * share).toFixed(0).padStart(3)} % of the table (${capacityRows} rows), ` +
      `${policy.padEnd(9)} ${isWarmed ? "warmed " : "filling"}  ${rate.toFixed(2)} % hits`,
  );
}

async function replay(store: RowStore, from: number, to: number): Promise<void> {
  const into = new Uint8Array(batch * trace.columns * rowBytes);
  for (let t = from; t < to; t += batch)
    await store.read(
      trace.rows.subarray(t * trace.columns, Math.min(to, t + batch) * trace.columns),
      into,
    );
}
