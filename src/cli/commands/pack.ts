/** `engram pack build` and `engram pack show`: the counts of a corpus in a file, and what is in such files. */
import { stat } from "node:fs/promises";
import * as z from "zod";
import { buildPack } from "../../build-pack.ts";
import { MAX_ORDER } from "../../memory/index.ts";
import { type Conflicts, conflictsOf, type PackInfo } from "../../packs/index.ts";
import { PackFile, type ReadPack } from "../../packs/node/index.ts";
import { checkTexts } from "../../training/node/index.ts";
import { byteSize, path, wholeNumber } from "../arguments.ts";
import { type Command, defineCommand } from "../command.ts";
import { refuseTaken } from "../new-file.ts";

const MIB = 2 ** 20;

export const packBuildCommand: Command = defineCommand({
  path: "pack build",
  summary: "count a corpus into a pack",
  description:
    "Counts which tokens follow which in the text of --data, and writes that to the file FILE: a pack, which --pack of " +
    "generate, chat, eval and serve read beside a model's own memory. Trains nothing. MODEL is a model, or a " +
    "tokenizer.json: every model with the same tokens can read the pack. What is stopped goes on when the same command " +
    "is given again. Counts show their text: who must not see the one must not get the other.",
  arguments: [
    {
      name: "MODEL",
      description:
        "directory or .gguf file of a model, the name of a pulled one, or a tokenizer.json",
    },
  ],
  options: [
    { flags: "--data <FILE...>", description: "text to count", isRequired: true },
    { flags: "--out <FILE>", description: "the pack; must not exist", isRequired: true },
    {
      flags: "--bytes <SIZE>",
      description:
        "bytes of the counts at most; what says least a byte is left out (default 64MiB)",
    },
    { flags: "--order <N>", description: "count n-grams of up to N tokens (default 6)" },
  ],
  examples: ["pack build models/tiny --data law.jsonl --bytes 64MiB --out law.pack"],
  schema: z.object({
    model: path,
    data: z.array(path),
    out: path,
    bytes: byteSize.default(64 * MIB),
    order: wholeNumber(2, MAX_ORDER).default(6),
  }),
  async run({ model, data, out, bytes, order }, { print, progress, signal }) {
    refuseTaken(out);
    await checkTexts(data, { isReadOnce: true });
    const start = performance.now();
    const { id, info } = await buildPack(model, {
      data,
      out,
      order,
      maxBytes: bytes,
      signal,
      onProgress: (documents, characters) =>
        progress.update(`counted ${documents} documents, ${(characters / 1e6).toFixed(1)} MB`),
    });
    progress.end();
    const seconds = (performance.now() - start) / 1000;
    const numBytes = (await stat(out)).size;
    print(describe(out, { id, info, numBytes }));
    return { out, sha256: id, bytes: numBytes, seconds: Number(seconds.toFixed(3)), ...info };
  },
});

export const packShowCommand: Command = defineCommand({
  path: "pack show",
  summary: "describe packs, and where they disagree",
  description:
    "Prints what packs hold: their corpora, sizes and sums. Of several it also says, for each pair, how many contexts both " +
    "know, and after how many of these they expect different tokens. Reads every file and compares its sum.",
  arguments: [{ name: "PACK...", description: "files that engram pack build wrote" }],
  options: [],
  examples: ["pack show law.pack", "pack show law.pack peps.pack"],
  schema: z.object({ pack: z.array(path) }),
  async run({ pack: paths }, { print, signal }) {
    const read: { path: string; info: PackInfo; contexts: number; pack: ReadPack }[] = [];
    const packs = [];
    for (const one of paths) {
      await using file = await PackFile.open(one);
      const { info, fileBytes, numContexts } = file;
      const pack = await file.read({ signal });
      print(describe(one, { id: pack.id, info, numBytes: fileBytes }));
      read.push({ path: one, info, contexts: numContexts, pack });
      packs.push({ pack: one, sha256: pack.id, bytes: fileBytes, contexts: numContexts, ...info });
    }
    const conflicts = [];
    for (const [i, one] of read.entries())
      for (const other of read.slice(i + 1)) {
        if (one.info.vocabulary !== other.info.vocabulary) {
          print(`${one.path} and ${other.path}: of different tokenizers, so no model reads both\n`);
          continue;
        }
        const [small, large] = one.contexts <= other.contexts ? [one, other] : [other, one];
        const between = conflictsOf(small.pack.table, large.pack.table);
        print(describeConflicts([small.path, large.path], between));
        conflicts.push({ packs: [small.path, large.path], ...between });
      }
    return { packs, conflicts };
  },
});

function describe(
  file: string,
  { id, info, numBytes }: { id: string; info: PackInfo; numBytes: number },
): string {
  const { order, tokens, documents, texts, vocabSize, vocabulary, reader } = info;
  const lines = texts.map(({ name, bytes, sha256 }) => `  of ${name}: ${bytes} bytes, ${sha256}`);
  return (
    `${file}: ${(numBytes / MIB).toFixed(1)} MiB, n-grams of up to ${order} tokens, ${tokens} tokens of ${documents} documents\n` +
    `  sha256 ${id}\n  tokenizer ${vocabulary}, ${vocabSize} ids\n` +
    (reader === undefined ? "" : `  with a reader for the model ${reader.model}\n`) +
    `${lines.join("\n")}\n`
  );
}

function describeConflicts(
  [small, large]: readonly [string, string],
  { contexts, shared, differing, examples }: Conflicts,
): string {
  const percent = (part: number, of: number): string => ((100 * part) / Math.max(1, of)).toFixed(1);
  const lines = examples.map(
    ({ context, said: [one, other] }) =>
      `  behind ${context.join(" ")}: ${one.id} (${one.count} of ${one.total}), ${other.id} (${other.count} of ${other.total})\n`,
  );
  return (
    `${small} and ${large}: of ${contexts} contexts of the first ${shared} (${percent(shared, contexts)} %) are in both, ` +
    `${differing} of these (${percent(differing, shared)} %) with another likeliest token\n${lines.join("")}`
  );
}
