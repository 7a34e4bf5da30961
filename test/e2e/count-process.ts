/**
 * A count of n-grams as a process that a test can kill: node count-process.ts DATA TOKENIZER OUT. Prints a line a
 * document.
 */
import { readFile } from "node:fs/promises";
import { countText } from "../../src/count-text.ts";
import { openTokenizerFile } from "../../src/tokenizer/node/index.ts";
import { readAll } from "../../src/training/node/index.ts";

const [data, file, directory] = process.argv.slice(2) as [string, string, string];
const tokenizerFile = await readFile(file, "utf8");
const path = await countText({
  documents: readAll([data]),
  tokenizer: await openTokenizerFile(tokenizerFile),
  tokenizerFile,
  order: 5,
  directory,
  runTokens: 5000,
  onProgress: (documents) => process.stdout.write(`document ${documents}\n`),
});
process.stdout.write(`${path}\n`);
