/** `engram token-map`: the compression map of a tokenizer, its size and its digest. `memory` makes the map. */
import * as z from "zod";
import { writeDurably, writeFailure } from "../../checkpoint/node/index.ts";
import { buildTokenMap, tokenMapBytes, tokenMapSha256 } from "../../memory/index.ts";
import { path } from "../arguments.ts";
import { type Command, defineCommand } from "../command.ts";
import { refuseTaken } from "../new-file.ts";
import { loadTokenizer } from "../load-tokenizer.ts";

export const tokenMapCommand: Command = defineCommand({
  path: "token-map",
  summary: "show how a tokenizer's ids compress",
  description:
    "Tokens whose texts differ only in case, accents or surrounding space share one id in the " +
    "memory. Prints how many ids a tokenizer has before and after this compression, and the SHA-256 of " +
    "the map (int32, little endian). Two programs with the same SHA-256 address the same rows.",
  arguments: [{ name: "FILE", description: "tokenizer.json, or .tiktoken ranks" }],
  options: [
    {
      flags: "--special <FILE>",
      description: 'special tokens of a .tiktoken file, as JSON: {"<text>": id, ...}',
    },
    {
      flags: "--out <FILE>",
      description: "file for the map, which must not exist: int32, little endian",
    },
  ],
  examples: [
    "token-map models/tiny/tokenizer.json",
    "token-map ranks.tiktoken --special special_tokens.json --out map.i32 --json",
  ],
  schema: z.object({ file: path, special: path.optional(), out: path.optional() }),
  async run({ file, special, out }, { print, progress }) {
    if (out !== undefined) refuseTaken(out);
    const tokenizer = await loadTokenizer(file, special);
    const tokenMap = buildTokenMap(tokenizer);
    const sha256 = await tokenMapSha256(tokenMap);
    if (out !== undefined) {
      await writeDurably(out, (handle) => handle.writeFile(tokenMapBytes(tokenMap))).catch(
        (error: unknown) => {
          throw writeFailure(error, out);
        },
      );
      progress.note(`wrote ${out}`);
    }
    const document = {
      vocab: tokenizer.vocabSize,
      compressed: tokenMap.compressedVocabSize,
      sha256,
    };
    print(`${document.vocab} ids become ${document.compressed}; sha256 ${sha256}\n`);
    return document;
  },
});
