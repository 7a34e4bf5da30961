/** `engram tokenizer train`: texts -> tokenizer.json. `training` reads the texts, `tokenizer` learns the vocabulary. */
import * as z from "zod";
import { writeDurably, writeFailure } from "../../checkpoint/node/index.ts";
import { toTokenizerJson, trainBpe } from "../../tokenizer/index.ts";
import { checkTexts, readAll } from "../../training/node/index.ts";
import { path, wholeNumber } from "../arguments.ts";
import { type Command, defineCommand } from "../command.ts";
import { refuseTaken } from "../new-file.ts";

export const tokenizerTrainCommand: Command = defineCommand({
  path: "tokenizer train",
  summary: "learn a vocabulary from text",
  description:
    "Learns a byte-level BPE vocabulary from texts and writes it as tokenizer.json, which Hugging " +
    'Face\'s libraries can read. JSON lines and JSON arrays have documents under "text"; any other file ' +
    "is one text in UTF-8. Files may be compressed with gzip (.gz). `engram train` learns a vocabulary by " +
    "itself; use this command to share one vocabulary between models.",
  options: [
    { flags: "--data <FILE...>", description: "texts to learn from", isRequired: true },
    {
      flags: "--vocab-size <N>",
      description: "number of tokens, with the 256 bytes and one end-of-document token",
      isRequired: true,
    },
    {
      flags: "--out <FILE>",
      description: "file to write, tokenizer.json; must not exist",
      isRequired: true,
    },
  ],
  examples: ["tokenizer train --data book.txt --vocab-size 8192 --out tokenizer.json"],
  schema: z.object({
    data: z.array(path).min(1),
    vocabSize: wholeNumber(257),
    out: path,
  }),
  async run({ data, vocabSize, out }, { print, progress, signal }) {
    refuseTaken(out);
    await checkTexts(data, { isReadOnce: true });
    const definition = await trainBpe(textsOf(data, signal), {
      vocabSize,
      onProgress: ({ phase, done, total }) =>
        progress.update(
          phase === "count" ? `reading: ${mega(done)} MB` : `learning: ${done} of ${total} tokens`,
        ),
    });
    const json = toTokenizerJson(definition);
    await writeDurably(out, (handle) => handle.writeFile(json)).catch((error: unknown) => {
      throw writeFailure(error, out);
    });
    const vocab = definition.tokens.length;
    if (vocab < vocabSize)
      progress.note(
        `the text has too few repeated pairs for ${vocabSize} tokens; it gave ${vocab}`,
      );
    print(`${out}: ${vocab} tokens\n`);
    return { path: out, vocab };
  },
});

async function* textsOf(files: readonly string[], signal: AbortSignal): AsyncGenerator<string> {
  for await (const { text } of readAll(files)) {
    signal.throwIfAborted();
    yield text;
  }
}

function mega(count: number): string {
  return (count / 1e6).toFixed(1);
}
