/** `engram reader train`: for a model that has no memory of counts, the weights that say when to believe them. */
import * as z from "zod";
import { MAX_ORDER } from "../../memory/index.ts";
import { trainReader } from "../../train-reader.ts";
import { checkTexts } from "../../training/node/index.ts";
import { byteSize, path, weightDtype, wholeNumber } from "../arguments.ts";
import { type Command, defineCommand } from "../command.ts";
import { refuseTaken } from "../new-file.ts";
import { threadsOption, threadsSchema } from "../engine-threads.ts";
import { dtypeOption, openedBy } from "../model-options.ts";
import { modelArgument } from "../resolve-model.ts";

export const readerTrainCommand: Command = defineCommand({
  path: "reader train",
  summary: "let a model that has no memory read packs",
  description:
    "Trains the few weights that say when the model MODEL should believe counts, and writes them with the counts of --data to " +
    "the file FILE. Given as a --pack, alone or among others, it lets MODEL read all of them. The model itself stays as it " +
    "is, and its file is not copied. The text should be some megabytes of several kinds, each one behind the other: each part is " +
    "read with the counts of the others, and what packs say is weighed against it. The model reads --tokens of it once.",
  arguments: [modelArgument],
  options: [
    { flags: "--data <FILE...>", description: "text to learn from", isRequired: true },
    { flags: "--out <FILE>", description: "the pack; must not exist", isRequired: true },
    { flags: "--bytes <SIZE>", description: "bytes of its counts at most (default 16MiB)" },
    { flags: "--order <N>", description: "weigh n-grams of up to N tokens (default 6)" },
    { flags: "--tokens <N>", description: "how much the model reads (default 32768)" },
    dtypeOption,
    threadsOption,
  ],
  examples: [
    "reader train HuggingFaceTB/SmolLM2-135M-Instruct --data english.jsonl --out english.pack",
  ],
  schema: z.object({
    model: path,
    data: z.array(path),
    out: path,
    bytes: byteSize.default(16 * 2 ** 20),
    order: wholeNumber(2, MAX_ORDER).default(6),
    tokens: wholeNumber(1000).default(32_768),
    dtype: weightDtype.optional(),
    ...threadsSchema,
  }),
  async run(input, context) {
    const { model, data, out, bytes, order, tokens } = input;
    const { print, progress, signal } = context;
    refuseTaken(out);
    await checkTexts(data, { isReadOnce: false });
    const start = performance.now();
    const trained = await trainReader(model, {
      opening: openedBy(input, context),
      data,
      out,
      order,
      tokens,
      signal,
      maxBytes: bytes,
      onPhase: (text) => progress.note(text),
      onProgress: (done, total) => progress.update(`read ${done} of ${total} windows`),
    });
    progress.end();
    const { alone, mixed, numSamples, id } = trained;
    const bits = (nats: number): string => (nats / Math.LN2).toFixed(4);
    print(
      `${out}: a reader of ${model}; bits a token of text that it did not learn from: ${bits(alone)} without counts, ` +
        `${bits(mixed)} with\n`,
    );
    const seconds = Number(((performance.now() - start) / 1000).toFixed(3));
    return { model, out, sha256: id, alone, mixed, samples: numSamples, seconds, ...trained.info };
  },
});
