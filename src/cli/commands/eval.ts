/** `engram eval`: measures a model on a text or on benchmarks, with its memory on and off. */
import * as z from "zod";
import { InvalidConfigError } from "../../errors.ts";
import { type BitsPerByte, bitsPerByteOfStream } from "../../eval/index.ts";
import { loadModel } from "../../load-model.ts";
import { type Ablation, type Memory, withoutParts } from "../../memory/index.ts";
import type { Model } from "../../opened-model.ts";
import { packDocuments } from "../../training/index.ts";
import { checkTexts, readAll } from "../../training/node/index.ts";
import { ablationSchema } from "../ablation.ts";
import { decimal, path, weightDtype, wholeNumber } from "../arguments.ts";
import { type Command, type CommandContext, defineCommand } from "../command.ts";
import { threadsOption, threadsSchema } from "../engine-threads.ts";
import { evalTasks } from "../eval-tasks.ts";
import { dtypeOption, openedBy, packList, packOption } from "../model-options.ts";
import { modelArgument } from "../resolve-model.ts";
import { tableOptions, tableSchema } from "../table-place.ts";

/** What only benchmarks have. */
const ofTasks = ["data", "limit", "numFewshot", "logSamples"] as const;
const flagOf = (name: string): string =>
  `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

export const evalCommand: Command = defineCommand({
  path: "eval",
  summary: "measure a model on a text or on benchmarks",
  description:
    "--bpb: bits per byte of the text in FILE, and perplexity per token, with the memory on and off. A .txt " +
    'file is one document; a .jsonl file has one document per line under "text".\n\n' +
    "--tasks: benchmarks by the rules of lm-evaluation-harness, shown in its table format. A small file describes " +
    "each task (docs/tasks.md). The model is measured with the chosen options and with the memory off; the " +
    "differences are paired by document. Nothing is downloaded: --data names the folder of the benchmarks' files.",
  arguments: [modelArgument],
  options: [
    { flags: "--bpb <FILE...>", description: "text to measure on" },
    {
      flags: "--tasks <TASK...>",
      description: "task files, or names of tasks in assets/tasks",
    },
    {
      flags: "--data <DIR>",
      description: "folder of the benchmarks' files (default: the task file's)",
    },
    { flags: "--limit <N>", description: "use only the first N documents of each task" },
    {
      flags: "--num-fewshot <N>",
      description: "solved examples before each question (default: the task's number)",
    },
    {
      flags: "--log-samples <DIR>",
      description: "write all questions and answers, one file per task",
    },
    {
      flags: "--ablate <PART...>",
      description:
        "remove parts of the memory: layers=1 orders=2,3 heads=0 rows=LAYER:ROW counts=4,5 contexts=ID-ID",
    },
    { flags: "--scale <X>", description: "multiply what the memory adds (default 1)" },
    { flags: "--no-memory", description: "measure only with the memory off" },
    packOption,
    dtypeOption,
    threadsOption,
    ...tableOptions,
  ],
  examples: [
    "eval models/tiny --bpb play.txt",
    "eval models/wiki --bpb valid.jsonl --json",
    "eval models/wiki --pack law.pack --bpb statutes.jsonl",
    "eval models/wiki --tasks lambada blimp --data benchmarks --limit 200",
    "eval models/wiki --tasks ./mine.json --ablate orders=3 --log-samples samples",
  ],
  schema: z
    .object({
      model: path,
      bpb: z.array(path).optional(),
      tasks: z.array(path).optional(),
      data: path.optional(),
      limit: wholeNumber(1).optional(),
      numFewshot: wholeNumber(0).optional(),
      logSamples: path.optional(),
      ablate: ablationSchema.optional(),
      scale: decimal(-100, 100).optional(),
      memory: z.boolean(),
      pack: packList,
      dtype: weightDtype.optional(),
      ...threadsSchema,
      ...tableSchema,
    })
    .superRefine((input, context) => {
      if ((input.bpb === undefined) === (input.tasks === undefined))
        context.addIssue(
          `say what to measure on: --bpb FILE, or --tasks TASK; got ${input.bpb ? "both" : "neither"}`,
        );
      for (const name of ofTasks)
        if (input[name] !== undefined && input.tasks === undefined)
          context.addIssue(`${flagOf(name)} goes with --tasks; leave it out`);
      for (const name of ["ablate", "scale"] as const)
        if (input[name] !== undefined && !input.memory)
          context.addIssue(`${flagOf(name)} says how to read a memory that --no-memory leaves off`);
    }),
  async run(input, context) {
    const { model: directory, bpb, tasks, memory } = input;
    if (bpb !== undefined) await checkTexts(bpb, { isReadOnce: true });
    await using model = await loadModel(directory, { memory, ...openedBy(input, context) });
    const view = viewOf(model, input);
    const { data, limit, numFewshot, logSamples } = input;
    const found =
      tasks === undefined
        ? await evalText(model, { bpb: bpb!, view }, context)
        : await evalTasks(
            model,
            { tasks, data, limit, numFewshot, logSamples, memory: view },
            context,
          );
    return { model: directory, ...found, memoryReport: model.memoryReport };
  },
});

/** The memory as it is to be read; undefined for a model without one. */
function viewOf(
  model: Model,
  { ablate = {}, scale = 1 }: { ablate?: Ablation | undefined; scale?: number | undefined },
): { memory: Memory; scale: number } | undefined {
  const { memory } = model.language;
  if (memory !== undefined) return { memory: withoutParts(memory, ablate), scale };
  if (scale !== 1 || Object.keys(ablate).length > 0)
    throw new InvalidConfigError(`${model.path} has no memory; leave out --ablate and --scale`);
  return undefined;
}

async function evalText(
  model: Model,
  { bpb, view }: { bpb: readonly string[]; view: { memory: Memory; scale: number } | undefined },
  { print, progress, signal }: CommandContext,
): Promise<BitsPerByte & { readonly memoryOff: BitsPerByte }> {
  const stream = await packDocuments(readAll(bpb), model.tokenizer, { signal });
  const measure = (on: boolean): Promise<BitsPerByte> =>
    bitsPerByteOfStream(model, stream, {
      memory: on,
      ...(on && view && { view }),
      signal,
      onProgress: (done, total) =>
        progress.update(`memory ${on ? "on" : "off"}: ${done}/${total} windows`),
    });
  const withMemory = view === undefined ? undefined : await measure(true);
  const withoutMemory = await measure(false);
  progress.end();
  const line = (name: string, { bitsPerByte: bits, tokenPerplexity, gates }: BitsPerByte): string =>
    `${name.padEnd(12)}${bits.toFixed(4).padStart(8)} bits per byte   perplexity ${tokenPerplexity.toFixed(3)}` +
    `${Object.entries(gates)
      .map(([layer, mean]) => `   gate L${layer} ${mean.toFixed(3)}`)
      .join("")}\n`;
  print(`${withoutMemory.tokens} tokens, ${withoutMemory.bytes} bytes\n`);
  if (withMemory !== undefined) print(line("memory on", withMemory));
  print(line("memory off", withoutMemory));
  if (withMemory !== undefined)
    print(
      "This model has learned to rely on its memory. To see what a memory is worth, compare with a model trained " +
        "without one (engram train --no-memory).\n",
    );
  return { ...(withMemory ?? withoutMemory), memoryOff: withoutMemory };
}
