/**
 * How long learning a vocabulary takes. Claim it stands for: 8,192 entries from 100 MB of text in under
 * two minutes and one gigabyte, on one thread.
 *
 *   node bench/tokenizer-train.ts FILE.jsonl [--vocab-size 8192] [--out tokenizer.json]
 *
 * Inside the timing window: reading the file line by line, parsing its JSON, cutting into pieces,
 * counting, merging. Outside: writing the result. Peak memory is the whole process's, as the operating
 * system saw it. One CSV row after its header.
 */
import { needed, readWords } from "./setup/command-line.ts";
import { createReadStream } from "node:fs";
import { writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { createInterface } from "node:readline";
import { toTokenizerJson, trainBpe } from "../src/tokenizer/index.ts";

const flags = readWords({ file: needed }, { "vocab-size": 8192, out: undefined });
const { file } = flags;

let bytes = 0;
let countedAt = 0;

async function* texts(path: string): AsyncGenerator<string> {
  for await (const line of createInterface({ input: createReadStream(path) })) {
    if (line === "") continue;
    const { text } = JSON.parse(line) as { text: string };
    bytes += Buffer.byteLength(text);
    yield text;
  }
}

const start = performance.now();
const definition = await trainBpe(texts(file), {
  vocabSize: flags["vocab-size"],
  onProgress: ({ phase }) => {
    if (phase === "count") countedAt = performance.now();
  },
});
const end = performance.now();
const seconds = (from: number, to: number): string => ((to - from) / 1000).toFixed(1);
const peak = (process.resourceUsage().maxRSS / 1024).toFixed(0);
console.log("machine,text MB,tokens,seconds,of them counting,peak MiB");
console.log(
  [
    `"${cpus()[0]?.model ?? "unknown"}"`,
    (bytes / 1e6).toFixed(1),
    definition.tokens.length,
    seconds(start, end),
    seconds(start, countedAt),
    peak,
  ].join(","),
);
if (flags.out !== undefined) await writeFile(flags.out, toTokenizerJson(definition));
