/**
 * How long a corpus takes to become a counted table, and in how much memory. Claim it stands for: 100 MB of text in
 * under two minutes on one core, whatever the order, and memory that does not grow with the text.
 *
 *   node bench/count-text.ts TOKENIZER.json FILE.jsonl ORDER DIRECTORY [MAX_BYTES]
 *
 * Inside the windows: reading, tokenizing, counting and merging; then making the table. DIRECTORY should be new: a count
 * that is there goes on. One CSV row after its header; seconds on the clock and of the processor, memory resident at most.
 */
import "./setup/command-line.ts";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { writeCountedTable } from "../src/at-rest/node/index.ts";
import { countText } from "../src/count-text.ts";
import { openTokenizerFile } from "../src/tokenizer/node/index.ts";
import { readAll } from "../src/training/node/index.ts";

const [definition, file, order, directory, maxBytes = "0"] = process.argv.slice(2);
if (
  definition === undefined ||
  file === undefined ||
  order === undefined ||
  directory === undefined
)
  throw new Error(
    "usage: node bench/count-text.ts TOKENIZER.json FILE ORDER DIRECTORY [MAX_BYTES]",
  );
const tokenizerFile = await readFile(definition, "utf8");

async function timed<T>(work: () => Promise<T>): Promise<{ result: T; figures: string[] }> {
  const [start, cpu] = [performance.now(), process.cpuUsage()];
  const result = await work();
  const { user, system } = process.cpuUsage(cpu);
  const clock = (performance.now() - start) / 1000;
  const most = process.resourceUsage().maxRSS / 1024;
  return {
    result,
    figures: [clock.toFixed(1), ((user + system) / 1e6).toFixed(1), most.toFixed(0)],
  };
}

const counted = await timed(async () =>
  countText({
    documents: readAll([file]),
    tokenizer: await openTokenizerFile(tokenizerFile),
    tokenizerFile,
    order: Number(order),
    directory,
  }),
);
const table = join(directory, "counts.safetensors");
const built = await timed(() =>
  writeCountedTable(table, [{ path: counted.result, sign: 1 }], { maxBytes: Number(maxBytes) }),
);
const sizes = [counted.result, table].map(async (path) =>
  ((await stat(path)).size / 1e6).toFixed(1),
);
const part = (name: string): string =>
  ["seconds", "cpu_seconds", "max_rss_mib"].map((what) => `${name}_${what}`).join();
console.log(`order,text_mb,${part("count")},counts_mb,${part("table")},table_mb`);
const [countsMb, tableMb] = await Promise.all(sizes);
const text = ((await stat(file)).size / 1e6).toFixed(1);
console.log([order, text, ...counted.figures, countsMb, ...built.figures, tableMb].join());
