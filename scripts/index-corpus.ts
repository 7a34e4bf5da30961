/**
 * Gives a model that was trained before there were indexes the one of its text (docs/format.md, "The index of a corpus").
 *
 *   node scripts/index-corpus.ts MODEL FILE...      the files that it was trained on; their held-out part is left out
 */
import "../bench/setup/command-line.ts";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { sealDirectory } from "../src/checkpoint/node/index.ts";
import { corpusOfText } from "../src/corpus-of-text.ts";
import { loadModel } from "../src/load-model.ts";
import { packDocuments } from "../src/training/index.ts";
import { readPart } from "../src/training/node/index.ts";

const [directory = "", ...data] = process.argv.slice(2);
await using model = await loadModel(directory);
const stream = await packDocuments(readPart(data, "train"), model.tokenizer);
const index = await corpusOfText(stream, {
  config: model.config,
  tokenMap: model.rows!.tokenMap,
  tokenizer: await readFile(join(directory, "tokenizer.json"), "utf8"),
  data,
});
await writeFile(join(directory, "corpus.ngrams"), index!);
await sealDirectory(directory);
process.stdout.write(`${join(directory, "corpus.ngrams")}: ${index!.length} bytes\n`);
