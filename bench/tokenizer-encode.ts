/**
 * How fast text becomes ids. Claim it stands for: 100 MB in under a minute on one thread, with the ids
 * of @huggingface/tokenizers, which alone is many times slower.
 *
 *   node bench/tokenizer-encode.ts TOKENIZER.json FILE.jsonl [--library-mb 5]
 *
 * Inside the timing windows: `encode` of each document, in order, by a tokenizer that has seen nothing
 * before; the library's `encode` of the first `--library-mb` megabytes, and ours of the same again;
 * `decode` of all ids. Outside: reading and parsing. The ids of both are compared. One CSV row after
 * its header; bytes are UTF-8.
 */
import { needed, readWords } from "./setup/command-line.ts";
import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { parseTokenizerJson } from "../src/tokenizer/index.ts";
import { createLibraryTokenizer } from "../src/tokenizer/library.ts";

const flags = readWords({ definition: needed, file: needed }, { "library-mb": 5 });
const { definition, file } = flags;

const json = readFileSync(definition, "utf8");
const texts = readFileSync(file, "utf8")
  .split("\n")
  .filter((line) => line !== "")
  .map((line) => (JSON.parse(line) as { text: string }).text);
const bytes = texts.map((text) => Buffer.byteLength(text));

/** Seconds that `work` takes on the first documents, until `limit` bytes are done. */
function time(limit: number, work: (index: number) => void): { seconds: number; done: number } {
  const start = performance.now();
  let done = 0;
  for (let i = 0; i < texts.length && done < limit; i++) {
    work(i);
    done += bytes[i] ?? 0;
  }
  return { seconds: (performance.now() - start) / 1000, done };
}

const tokenizer = await parseTokenizerJson(json);
const ids: Int32Array[] = [];
const whole = time(Infinity, (i) => ids.push(tokenizer.encode(texts[i] ?? "")));
const decoding = time(Infinity, (i) => {
  if (tokenizer.decode(ids[i] ?? []) !== texts[i]) throw new Error(`document ${i} does not return`);
});
const library = await createLibraryTokenizer(JSON.parse(json) as object);
const sample = flags["library-mb"] * 1e6;
const slow = time(sample, (i) => {
  const expected = library.encode(texts[i] ?? "", { add_special_tokens: false }).ids;
  if (expected.join() !== ids[i]?.join()) throw new Error(`document ${i}: ids differ`);
});
const again = time(sample, (i) => tokenizer.encode(texts[i] ?? ""));
const rate = ({ seconds, done }: { seconds: number; done: number }): number => done / 1e6 / seconds;
const tokens = ids.reduce((sum, { length }) => sum + length, 0);

console.log(
  "machine,vocabulary,text MB,bytes a token,seconds,MB/s,decode MB/s,library MB/s,times the library",
);
console.log(
  [
    `"${cpus()[0]?.model ?? "unknown"}"`,
    tokenizer.vocabSize,
    (whole.done / 1e6).toFixed(1),
    (whole.done / tokens).toFixed(3),
    whole.seconds.toFixed(1),
    rate(whole).toFixed(1),
    rate(decoding).toFixed(1),
    rate(slow).toFixed(2),
    (rate(again) / rate(slow)).toFixed(1),
  ].join(","),
);
