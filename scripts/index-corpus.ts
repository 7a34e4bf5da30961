/**
 * Gives a model the index of its text anew (docs/format.md, "The index of a corpus"): one that was trained before there
 * were indexes, or one whose directory must be small.
 *
 *   node scripts/index-corpus.ts MODEL MOST FILE...
 *
 * MOST is how many bytes the index may have (`train` writes 4000000 at most), FILEs are what the model was trained on,
 * by its run.json whole or without their held-out part.
 */
import "../bench/setup/command-line.ts";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { sealDirectory } from "../src/checkpoint/node/index.ts";
import { corpusOfText } from "../src/corpus-of-text.ts";
import { InvalidConfigError } from "../src/errors.ts";
import { loadModel } from "../src/load-model.ts";
import { packDocuments } from "../src/training/index.ts";
import { HOLD_OUT_RULE, readAll, readPart, readRunRecord } from "../src/training/node/index.ts";

const [directory = "", most, ...data] = process.argv.slice(2);
const mostBytes = Number(most);
if (!Number.isSafeInteger(mostBytes) || data.length === 0)
  throw new InvalidConfigError("expected a model, a number of bytes, and the files of its text");
await using model = await loadModel(directory);
if (model.rows === undefined)
  throw new InvalidConfigError(`${directory} has no learned rows, whose n-grams an index is of`);
const run = await readRunRecord(directory);
const documents = run?.["holdOut"] === HOLD_OUT_RULE ? readPart(data, "train") : readAll(data);
const stream = await packDocuments(documents, model.tokenizer);
const index = await corpusOfText(stream, {
  config: model.config,
  tokenMap: model.rows.tokenMap,
  tokenizer: await readFile(join(directory, "tokenizer.json"), "utf8"),
  data,
  mostBytes,
});
await writeFile(join(directory, "corpus.ngrams"), index!);
await sealDirectory(directory);
process.stdout.write(`${join(directory, "corpus.ngrams")}: ${index!.length} bytes\n`);
