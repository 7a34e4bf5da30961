/** `engram generate`: a prompt in, its continuation out, as it comes. */
import * as z from "zod";
import { generateText } from "../../generate-text.ts";
import { loadModel } from "../../load-model.ts";
import { decimal, path, weightDtype, wholeNumber } from "../arguments.ts";
import { type Command, defineCommand } from "../command.ts";
import { threadsOption, threadsSchema } from "../engine-threads.ts";
import { dtypeOption, openedBy } from "../model-options.ts";
import { tableOptions, tableSchema } from "../table-place.ts";

export const generateCommand: Command = defineCommand({
  path: "generate",
  summary: "continue a text",
  description:
    "Continues PROMPT with the model in the directory MODEL. The same seed gives the same text.",
  arguments: [{ name: "MODEL", description: "model directory" }],
  options: [
    { flags: "--prompt <TEXT>", description: "the text to continue", isRequired: true },
    { flags: "--max-tokens <N>", description: "stop after N tokens (default 128)" },
    { flags: "--no-memory", description: "switch the memory off" },
    dtypeOption,
    threadsOption,
    ...tableOptions,
    { flags: "--seed <S>", description: "seed of the random choice (default 0)" },
    { flags: "--temperature <T>", description: "0 always takes the likeliest token (default 0.8)" },
    { flags: "--top-k <K>", description: "choose among the K likeliest (default all)" },
    {
      flags: "--top-p <P>",
      description: "choose among the likeliest with total probability P (default 1)",
    },
    {
      flags: "--min-p <P>",
      description: "drop tokens less likely than P times the likeliest (default 0)",
    },
    { flags: "--repetition-penalty <X>", description: "above 1 discourages repeats (default 1)" },
    { flags: "--stop <TEXT...>", description: "stop before any of these texts" },
  ],
  examples: [
    'generate models/tiny --prompt "ROMEO:"',
    'generate models/tiny --prompt "ROMEO:" --no-memory --max-tokens 50 --seed 7',
  ],
  schema: z.object({
    model: path,
    prompt: z.string(),
    maxTokens: wholeNumber(0).optional(),
    memory: z.boolean(),
    dtype: weightDtype.optional(),
    ...threadsSchema,
    ...tableSchema,
    seed: wholeNumber(0).optional(),
    temperature: decimal(0, 100).optional(),
    topK: wholeNumber(0).optional(),
    topP: decimal(0, 1).optional(),
    minP: decimal(0, 1).optional(),
    repetitionPenalty: decimal(0.01, 100).optional(),
    stop: z.array(z.string()).optional(),
  }),
  async run(
    {
      model: directory,
      prompt,
      memory,
      dtype,
      threads,
      table,
      tableMemory,
      temperature = 0.8,
      ...options
    },
    { print, progress, signal },
  ) {
    const opening = openedBy({ dtype, threads, table, tableMemory }, { progress });
    await using model = await loadModel(directory, { memory, ...opening });
    const given = Object.fromEntries(
      Object.entries(options).filter(([, value]) => value !== undefined),
    );
    print(prompt);
    let text = "";
    const pieces = generateText(model, prompt, { ...given, temperature, signal });
    let step = await pieces.next();
    for (; !step.done; step = await pieces.next()) {
      text += step.value;
      print(step.value);
    }
    print("\n");
    const { finishReason, numTokens } = step.value;
    if (finishReason === "length" && numTokens < (options.maxTokens ?? numTokens))
      progress.note(`the model's context of ${model.config.maxPositions} tokens is full`);
    return {
      model: directory,
      memory: model.hasMemory,
      prompt,
      text,
      finishReason,
      tokens: numTokens,
      memoryReport: model.memoryReport,
    };
  },
});
