/** `engram train`: text in, model directory out. Shows the progress of `train-model.ts`, which trains. */
import { Option } from "commander";
import * as z from "zod";
import { readGiven } from "../given-text.ts";
import { InvalidConfigError } from "../../errors.ts";
import { type TrainEvent, trainModel, type TrainResult } from "../../train-model.ts";
import {
  findPreset,
  type Overrides,
  parseOverride,
  presetNames,
  publicName,
} from "../../training/index.ts";
import { decimal, oneOf, path, wholeNumber } from "../arguments.ts";
import { type Command, type CommandContext, defineCommand } from "../command.ts";
import { engineOf, threadsOption, threadsSchema } from "../engine-threads.ts";
import { formatTrainingStatus } from "../progress.ts";
import { tablePlacement, tableSchema } from "../table-place.ts";

export const trainCommand: Command = defineCommand({
  path: "train",
  summary: "train a model on your own text",
  description:
    "Trains a tokenizer and a model with memory on text files, and writes a model directory. Plain text is " +
    'one document; JSON lines and JSON arrays have documents under "text". Files may be compressed with gzip ' +
    "(.gz). A part of the text is held out for validation, unless --valid gives other text. Ctrl-C saves; " +
    "--resume continues, with the same result as a run that never stopped. --table-memory keeps the table on " +
    "disk and limits its RAM; the result is the same.\n\n" +
    "With --from in place of --preset it goes on from a model: with its sizes, its tokenizer, its weights and the rows " +
    "of its memory; what it counted is counted anew, in this text, as many n-grams as it has unless --set counted.maxBytes says less. --train memory freezes the backbone: only the memory " +
    "learns this text, such as one that engram graft has just given it. --set changes the recipe.\n\n" +
    `Presets:\n${presetNames.map((name) => `  ${name.padEnd(8)} ${findPreset(name).description}`).join("\n")}`,
  options: [
    { flags: "--data <FILE...>", description: "text to train on", isRequired: true },
    { flags: "--preset <NAME>", description: `a new model: ${presetNames.join(" or ")}` },
    { flags: "--from <MODEL>", description: "a model to go on from, in place of a preset" },
    {
      flags: "--train <PART>",
      description: "of that model: all (default), or memory, which leaves the rest as it is",
    },
    { flags: "--out <DIR>", description: "directory for the model", isRequired: true },
    {
      flags: "--valid <FILE...>",
      description: "validation text (default: a part of the data is held out)",
    },
    { flags: "--steps <N>", description: "number of updates (default: the preset's)" },
    { flags: "--lr <RATE>", description: "peak learning rate (default: the preset's)" },
    { flags: "--batch <N>", description: "sequences per update (default: the preset's)" },
    {
      flags: "--context <N>",
      description: "tokens per sequence (default: the preset's)",
    },
    {
      flags: "--set <NAME=VALUE...>",
      description:
        "other numbers of the preset, such as numLayers=6 clip=0.5 (a wrong name lists all)",
    },
    { flags: "--seed <S>", description: "seed of initial weights and data order (default 0)" },
    { flags: "--no-memory", description: "train the same backbone without memory" },
    {
      flags: "--table <PLACE>",
      description: "where the table is: ram, or cache:SIZE (on disk, with a cache of SIZE in RAM)",
    },
    {
      flags: "--table-memory <SIZE>",
      description: "the same as --table cache:SIZE (such as 2GiB)",
    },
    { flags: "--resume", description: "continue from the last checkpoint in DIR" },
    { flags: "--tokenizer <FILE>", description: "use this tokenizer.json instead of training one" },
    {
      flags: "--checkpoint-every <N>",
      description: "steps between checkpoints (default: a tenth of all)",
    },
    threadsOption,
  ],
  examples: [
    "train --data book.txt --preset tiny --out models/book",
    "train --data part1.jsonl part2.jsonl --preset small --out models/wiki --seed 1",
    "train --data part1.jsonl part2.jsonl --preset small --out models/wiki --table-memory 64MiB",
    "train --data book.txt --preset tiny --out models/book --resume",
    "train --data book.txt --preset tiny --out models/deep --lr 2e-3 --set numLayers=6 layerIds=1,3",
    "train --data book.txt --from models/grafted --train memory --out models/taught",
  ],
  schema: z.object({
    data: z.array(path),
    preset: z.string().optional(),
    from: path.optional(),
    train: oneOf(["all", "memory"]).optional(),
    out: path,
    valid: z.array(path).optional(),
    steps: wholeNumber(1).optional(),
    lr: decimal(Number.MIN_VALUE, Infinity).optional(),
    batch: wholeNumber(1).optional(),
    context: wholeNumber(1).optional(),
    set: z.array(z.string()).optional(),
    seed: wholeNumber(0).optional(),
    memory: z.boolean(),
    ...tableSchema,
    resume: z.boolean().optional(),
    tokenizer: path.optional(),
    checkpointEvery: wholeNumber(1).optional(),
    ...threadsSchema,
  }),
  async run(input, context) {
    const {
      tokenizer,
      threads,
      steps,
      lr,
      batch,
      context: length,
      set,
      table,
      tableMemory,
      ...options
    } = input;
    // A model that is there has its context, of which a run may use less.
    const maxPositions = options.from === undefined ? length : undefined;
    const overrides = overridesOf({ steps, lr, batch, length, maxPositions }, set);
    context.signal.addEventListener("abort", () =>
      context.progress.note("saving; once more to stop at once"),
    );
    const placement = tablePlacement({ table, tableMemory }, context.env);
    if (placement.table !== undefined)
      throw new InvalidConfigError(
        "training can keep its table only in ram or cache:SIZE; copy it to another place afterwards with engram table push",
      );
    const backend = engineOf(threads);
    try {
      const result = await trainModel({
        ...definedOnly(options),
        ...(placement.tableMemory !== undefined && { tableMemory: placement.tableMemory }),
        data: options.data,
        out: options.out,
        overrides,
        backend,
        ...(tokenizer === undefined ? {} : { tokenizer: await readGiven(tokenizer, context) }),
        signal: context.signal,
        command: `engram ${commandWords(input, publicName)}${input.resume === true ? " --resume" : ""}`,
        onEvent: showTraining(context),
      });
      context.print(`${describeResult(result)}\n`);
      return result;
    } catch (error) {
      if (error instanceof Error && error.name === "AbortError")
        context.progress.note(
          `stopped; go on with: ${context.program} ${commandWords(input)} --resume`,
        );
      throw error;
    } finally {
      await backend.dispose();
    }
  },
});

/** The overrides of options and of --set; each name only once. */
function overridesOf(
  options: Readonly<Record<string, number | undefined>>,
  words: readonly string[] = [],
): Overrides {
  const all = [
    ...Object.entries(options).filter(([, value]) => value !== undefined),
    ...words.map(parseOverride),
  ];
  const overrides = new Map<string, unknown>();
  for (const [name, value] of all) {
    if (overrides.has(name)) throw new InvalidConfigError(`${name} is given twice`);
    overrides.set(name, value);
  }
  return Object.fromEntries(overrides);
}

function definedOnly<T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

/** The command line of these options, with each word passed through `show`. */
export function commandWords(
  input: Readonly<Record<string, unknown>>,
  show: (word: string) => string = (word) => word,
): string {
  const words = trainCommand.options.flatMap(({ flags }) => {
    const option = new Option(flags);
    const value = input[option.attributeName()];
    if (option.long === "--resume" || value === undefined) return [];
    if (option.negate) return value === false ? [option.long!] : [];
    return [option.long!, ...[value].flat().map((word) => shellWord(show(String(word))))];
  });
  return ["train", ...words].join(" ");
}

/** Quoted for a POSIX shell. */
function shellWord(text: string): string {
  return /^[\w./:=@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** Turns training events into progress on stderr. */
export function showTraining({ progress }: CommandContext): (event: TrainEvent) => void {
  let validationBitsPerByte: number | undefined;
  return (event) => {
    if (event.type === "phase") progress.note(event.text);
    else if (event.type === "valid") validationBitsPerByte = event.bitsPerByte;
    else if (event.type === "sample")
      progress.note(`  step ${event.step} writes: ${JSON.stringify(event.text)}`);
    else if (event.type === "checkpoint") progress.note(`  checkpoint ${event.path}`);
    else {
      const { report, steps, tokensPerSecond, secondsLeft } = event;
      progress.update(
        formatTrainingStatus({
          step: report.step,
          steps,
          loss: report.loss,
          ...(validationBitsPerByte === undefined ? {} : { validationBitsPerByte }),
          tokensPerSecond,
          secondsLeft,
          gates: Object.entries(report.gates).map(([layer, mean]) => ({
            layer: Number(layer),
            mean,
          })),
        }),
      );
    }
  };
}

export function describeResult(result: TrainResult): string {
  const { out, numParams, numRows, bitsPerByte, bitsPerByteWithoutMemory, seconds } = result;
  return [
    `${out}: ${numParams} weights, ${numRows} rows of memory, trained in ${Math.round(seconds)} s`,
    `held-out text: ${bitsPerByte.toFixed(4)} bits per byte` +
      (bitsPerByteWithoutMemory === undefined
        ? ""
        : `, ${bitsPerByteWithoutMemory.toFixed(4)} with the memory switched off ` +
          "(what a model trained without one has, the same command with --no-memory tells)"),
  ].join("\n");
}
