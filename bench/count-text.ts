/**
 * How long a corpus takes to become a counted table, and in how much memory. Claim it stands for: 100 MB of text in
 * under two minutes on one core, whatever the order, and memory that does not grow with the text.
 *
 *   node bench/count-text.ts TOKENIZER.json FILE.jsonl ORDER DIRECTORY [MAX_BYTES]
 *
 * Inside the window: reading, tokenizing, counting, merging, and making the table, which is DIRECTORY/counts.safetensors.
 * DIRECTORY should be new: a count that is there goes on. One CSV row after its header; seconds on the clock and of the
 * processor, memory resident at most.
 */
import { needed, readWords } from "./setup/command-line.ts";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { writeSafetensors } from "../src/checkpoint/node/index.ts";
import { withCountedTable } from "../src/count-text.ts";
import { openTokenizerFile } from "../src/tokenizer/node/index.ts";
import { readAll } from "../src/training/node/index.ts";

const { definition, file, order, directory, maxBytes } = readWords({
  definition: needed,
  file: needed,
  order: needed,
  directory: needed,
  maxBytes: 0,
});
const tokenizerFile = await readFile(definition, "utf8");
const tokenizer = await openTokenizerFile(tokenizerFile);
const table = join(directory, "counts.safetensors");

const [start, cpu] = [performance.now(), process.cpuUsage()];
const numTokens = await withCountedTable(
  {
    documents: readAll([file]),
    tokenizer,
    tokenizerFile,
    vocabSize: tokenizer.vocabSize,
    order: Number(order),
    maxBytes,
    directory: join(directory, "counting"),
  },
  async (counts) => {
    await writeSafetensors(table, counts.files.flat());
    return counts.numTokens;
  },
);
const { user, system } = process.cpuUsage(cpu);
const figures = [
  (performance.now() - start) / 1000,
  (user + system) / 1e6,
  process.resourceUsage().maxRSS / 1024,
  numTokens / 1e6,
  (await stat(file)).size / 1e6,
  (await stat(table)).size / 1e6,
];
console.log("order,seconds,cpu_seconds,max_rss_mib,mega_tokens,text_mb,table_mb");
console.log([order, ...figures.map((figure) => figure.toFixed(1))].join());
