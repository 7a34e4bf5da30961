/**
 * A count of n-grams as a process that a test can kill: node count-process.ts DATA TOKENIZER OUT MAX_BYTES. Prints a line
 * a document; the table is OUT, and is made in OUT.counting.
 */
import { readFile } from "node:fs/promises";
import { writeSafetensors } from "../../src/checkpoint/node/index.ts";
import { withCountedTable } from "../../src/count-text.ts";
import { openTokenizerFile } from "../../src/tokenizer/node/index.ts";
import { readAll } from "../../src/training/node/index.ts";

const [data, file, out, maxBytes] = process.argv.slice(2) as [string, string, string, string];
const tokenizerFile = await readFile(file, "utf8");
const tokenizer = await openTokenizerFile(tokenizerFile);
async function* told() {
  let number = 0;
  for await (const document of readAll([data])) {
    yield document;
    process.stdout.write(`document ${++number}\n`);
  }
}
await withCountedTable(
  {
    documents: told(),
    tokenizer,
    tokenizerFile,
    vocabSize: tokenizer.vocabSize,
    order: 5,
    maxBytes: Number(maxBytes),
    directory: `${out}.counting`,
    runTokens: 5000,
  },
  async ({ files }) => void (await writeSafetensors(out, files.flat())),
);
