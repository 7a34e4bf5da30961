/** `engram eval`: what a model is worth on a text, with its memory and without. */
import * as z from "zod";
import { DisposalStack } from "../../disposal-stack.ts";
import { type BitsPerByte, bitsPerByteOfStream } from "../../eval/index.ts";
import { loadModel } from "../../load-model.ts";
import { packDocuments } from "../../training/index.ts";
import { checkTexts, readAll } from "../../training/node/index.ts";
import { path, weightDtype } from "../arguments.ts";
import { type Command, defineCommand } from "../command.ts";
import { engineOf, threadsOption, threadsSchema } from "../engine-threads.ts";
import { showPlan } from "../show-plan.ts";
import { tableOptions, tablePlacement, tableSchema } from "../table-place.ts";

export const evalCommand: Command = defineCommand({
  path: "eval",
  summary: "measure a model on a text",
  description:
    "Prints how many bits per byte the model needs for the text in FILE (.txt: one document; .jsonl: " +
    'one document a line under "text"), its perplexity a token, and the same with the memory off.',
  arguments: [{ name: "MODEL", description: "model directory" }],
  options: [
    { flags: "--bpb <FILE...>", description: "text to measure on", isRequired: true },
    { flags: "--no-memory", description: "measure with the memory off only" },
    {
      flags: "--dtype <KIND>",
      description: "hold the weights as f32, q8 or q4 (default: as they are)",
    },
    threadsOption,
    ...tableOptions,
  ],
  examples: ["eval models/tiny --bpb play.txt", "eval models/wiki --bpb valid.jsonl --json"],
  schema: z.object({
    model: path,
    bpb: z.array(path),
    memory: z.boolean(),
    dtype: weightDtype.optional(),
    ...threadsSchema,
    ...tableSchema,
  }),
  async run(
    { model: directory, bpb, memory, dtype, threads, table, tableMemory },
    { print, progress, signal },
  ) {
    await checkTexts(bpb, { isReadOnce: true });
    await using owned = new DisposalStack();
    const backend = owned.adopt(engineOf(threads), (one) => one.dispose());
    await using model = await loadModel(directory, {
      backend,
      memory,
      dtype,
      onPlan: showPlan(progress),
      ...tablePlacement({ table, tableMemory }),
    });
    const stream = await packDocuments(readAll(bpb), model.tokenizer, { signal });
    const measure = (on: boolean): Promise<BitsPerByte> =>
      bitsPerByteOfStream(model, stream, {
        memory: on,
        signal,
        onProgress: (done, total) =>
          progress.update(`memory ${on ? "on" : "off"}: ${done}/${total} windows`),
      });
    const withMemory = model.hasMemory ? await measure(true) : undefined;
    const withoutMemory = await measure(false);
    progress.end();
    const line = (
      name: string,
      { bitsPerByte: bits, tokenPerplexity, gates }: BitsPerByte,
    ): string =>
      `${name.padEnd(12)}${bits.toFixed(4).padStart(8)} bits per byte   perplexity ${tokenPerplexity.toFixed(3)}` +
      `${Object.entries(gates)
        .map(([layer, mean]) => `   gate L${layer} ${mean.toFixed(3)}`)
        .join("")}\n`;
    print(`${withoutMemory.tokens} tokens, ${withoutMemory.bytes} bytes\n`);
    if (withMemory !== undefined) print(line("memory on", withMemory));
    print(line("memory off", withoutMemory));
    if (withMemory !== undefined)
      print(
        "What a memory is worth, a model trained without one tells (engram train --no-memory): this one has learned to " +
          "lean on its memory.\n",
      );
    return {
      model: directory,
      ...(withMemory ?? withoutMemory),
      memoryOff: withoutMemory,
      memoryReport: model.memoryReport,
    };
  },
});
