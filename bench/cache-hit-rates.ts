/**
 * How many of an article's rows a cache already has: by policy, by the cache's share of the table, empty at first or
 * warmed with the counts of the training text. Claim it stands for: the policy and the warming that ship. Nothing is
 * timed, so the figures are the same on a busy machine: they follow from texts, sizes and policies alone.
 *
 *   node bench/cache-hit-rates.ts --data TRAIN.jsonl --valid VALID.jsonl --tokenizer tokenizer.json
 *     [--rows 4194304] [--row-bytes 64] [--shares 4,16,64] [--train-tokens 6000000] [--tokens 400000]
 *     [--windows 0.01,0.1,0.3,0.6]
 *
 * Counts are gathered over the training tokens, kept in a byte a row as the model directory keeps them. Then whole
 * articles that were not trained on are read, one after another. Hits in percent of rows asked for: over the first
 * 2,000 tokens of all; over the first 128 tokens of each later article, where the subject has just changed; over
 * tokens 512 and later of an article, its continuation; over everything. Bytes are all of the cache's memory, index,
 * lists and counters included, so policies compete at equal memory; the prefetch buffer is left out.
 */
import { readOptions } from "./setup/command-line.ts";
import {
  admissionBytes,
  type CachePolicy,
  createAdmission,
} from "../src/memory/stores/cache/admission.ts";
import { countUses, hottestRows, RowDeduper } from "../src/memory/index.ts";
import { ArticleReader, type ArticleRows } from "./setup/article-traces.ts";

const flags = readOptions({
  data: undefined,
  valid: undefined,
  tokenizer: undefined,
  rows: 4194304,
  "row-bytes": 64,
  shares: "4,16,64",
  "train-tokens": 6_000_000,
  tokens: 400000,
  windows: "0.01,0.1,0.3,0.6",
});
const { data, valid, tokenizer } = flags;
if (data === undefined || valid === undefined || tokenizer === undefined)
  throw new Error("give --data, --valid (.jsonl with texts) and --tokenizer (tokenizer.json)");
const rowBytes = flags["row-bytes"];
const bucketRows = Math.floor(flags.rows / 16);
const reader = await ArticleReader.open(tokenizer, { bucketRows });
const { numRows } = reader;

const codes = new Uint8Array(numRows);
const deduper = new RowDeduper();
let turn = 0;
for await (const { rows } of reader.read(data, { maxTokens: flags["train-tokens"] })) {
  const { unique, index } = deduper.dedupe(rows);
  const some = Uint8Array.from(unique, (row) => codes[row]!);
  countUses(some, { unique, index, turn: turn++ });
  for (const [i, row] of unique.entries()) codes[row] = some[i]!;
}
const articles: ArticleRows[] = [];
for await (const article of reader.read(valid, { maxTokens: flags.tokens })) articles.push(article);
const met = codes.reduce((n, code) => n + (code > 0 ? 1 : 0), 0);
let asked = 0;
let known = 0;
for (const { rows } of articles)
  for (const row of rows) {
    asked++;
    if (codes[row]! > 0) known++;
  }
console.log(
  `${numRows} rows of ${rowBytes} bytes, ${met} of them met in ${flags["train-tokens"]} training tokens; ` +
    `${articles.length} articles of ${asked / 16} tokens, ${((100 * known) / asked).toFixed(1)} % of whose rows were met`,
);
console.log("share  policy            rows      at first   new subject   continuation   all");
for (const share of flags.shares.split(",").map(Number))
  for (const [policy, window] of [
    ["lru", undefined],
    ["frequency", undefined],
    ["none", undefined],
    ...flags.windows.split(",").map((text) => ["windowed", Number(text)] as const),
  ] as const)
    for (const isWarmed of [false, true]) await measure({ share, policy, window, isWarmed });

async function measure({
  share,
  policy,
  window,
  isWarmed,
}: {
  share: number;
  policy: CachePolicy;
  window: number | undefined;
  isWarmed: boolean;
}): Promise<void> {
  const capacity = capacityOf(policy, (numRows * rowBytes) / share);
  const admission = createAdmission(
    policy,
    capacity,
    ...(window === undefined ? [] : [{ window, protected: 0.8 }]),
  );
  const { slots } = admission;
  if (isWarmed) {
    // Slices as `loadModel` takes them.
    const hottest = hottestRows(() => [codes], { most: capacity, sliceRows: 16 });
    for await (const { rows, counts } of hottest)
      for (const [i, row] of rows.entries()) {
        admission.teach(row, counts[i]!);
        admission.keep(row);
      }
  }
  const tally = { first: [0, 0], subject: [0, 0], continuation: [0, 0], all: [0, 0] };
  const count = (of: number[], isHit: boolean): void => {
    of[0]!++;
    if (isHit) of[1]!++;
  };
  let token = 0;
  for (const { rows, columns, numTokens } of articles)
    for (let t = 0; t < numTokens; t++, token++)
      for (let c = 0; c < columns; c++) {
        const row = rows[t * columns + c]!;
        const slot = slots.find(row);
        const isHit = slot >= 0;
        admission.asked(row, slot);
        if (!isHit) admission.admit(row);
        count(tally.all, isHit);
        if (token < 2000) count(tally.first, isHit);
        else if (t < 128) count(tally.subject, isHit);
        else if (t >= 512) count(tally.continuation, isHit);
      }
  const percent = ([all, hits]: number[]): string => ((100 * hits!) / all!).toFixed(1).padStart(6);
  const name = `${policy}${window === undefined ? "" : ` ${window}`}${isWarmed ? ", warmed" : ""}`;
  console.log(
    `1/${String(share).padEnd(4)} ${name.padEnd(24)} ${String(capacity).padStart(8)}   ${percent(tally.first)}` +
      `        ${percent(tally.subject)}         ${percent(tally.continuation)}   ${percent(tally.all)}`,
  );
}

/** The most rows that fit with everything the policy keeps about them. */
function capacityOf(policy: CachePolicy, bytes: number): number {
  let fits = 1;
  let tooMany = numRows + 1;
  while (tooMany - fits > 1) {
    const middle = Math.floor((fits + tooMany) / 2);
    if (middle * rowBytes + admissionBytes(policy, middle) <= bytes) fits = middle;
    else tooMany = middle;
  }
  return fits;
}
