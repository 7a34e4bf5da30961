/** `engram generate`: a prompt in, its continuation out, as it comes. */
import * as z from "zod";
import { generateText } from "../../generate-text.ts";
import { promptIdsOf } from "../../prompt-ids.ts";
import { loadModel } from "../../load-model.ts";
import { sourceName, sourcesSaid } from "../../sources-said.ts";
import { path, weightDtype, wholeNumber } from "../arguments.ts";
import { type Command, defineCommand } from "../command.ts";
import { threadsOption, threadsSchema } from "../engine-threads.ts";
import {
  dtypeOption,
  factName,
  learnOption,
  openedBy,
  scopesRead,
  taughtOptions,
  taughtSchema,
} from "../model-options.ts";
import { modelArgument } from "../resolve-model.ts";
import { samplingOf, samplingOptions, samplingSchema } from "../sampling-options.ts";
import { tableOptions, tableSchema } from "../table-place.ts";

export const generateCommand: Command = defineCommand({
  path: "generate",
  summary: "continue a text",
  description:
    "Continues PROMPT with the model MODEL, and prints the text as it comes. The same seed gives the same text. Then says " +
    "which documents of --pack, and which texts that --scope has learned, have parts of it.",
  arguments: [modelArgument],
  options: [
    { flags: "--prompt <TEXT>", description: "the text to continue", isRequired: true },
    { flags: "--max-tokens <N>", description: "stop after N tokens (default 128)" },
    { flags: "--no-memory", description: "switch the memory off" },
    ...taughtOptions,
    learnOption,
    dtypeOption,
    threadsOption,
    ...tableOptions,
    ...samplingOptions,
    { flags: "--stop <TEXT...>", description: "stop before any of these texts" },
  ],
  examples: [
    'generate models/tiny --prompt "ROMEO:"',
    'generate models/tiny --prompt "ROMEO:" --no-memory --max-tokens 50 --seed 7',
  ],
  schema: z.object({
    model: path,
    prompt: z.string(),
    maxTokens: wholeNumber(0).default(128),
    memory: z.boolean(),
    ...taughtSchema,
    learn: factName.optional(),
    dtype: weightDtype.optional(),
    ...threadsSchema,
    ...tableSchema,
    ...samplingSchema,
    stop: z.array(z.string()).optional(),
  }),
  async run(input, context) {
    const { model: directory, prompt, memory, maxTokens, stop } = input;
    const { print, printText, progress, signal } = context;
    await using model = await loadModel(directory, {
      memory,
      ...openedBy(input, context),
      // A prompt has no more tokens than bytes: where a model could take a book, no memory is planned for one.
      contextSize: Buffer.byteLength(prompt) + maxTokens + 1,
    });
    if (input.learn !== undefined) model.checkLearning();
    const scopes = scopesRead(input);
    printText(prompt);
    let text = "";
    const pieces = generateText(model, prompt, {
      ...samplingOf(input, model),
      maxTokens,
      ...(stop && { stop }),
      ...(scopes && { scopes }),
      signal,
    });
    let step = await pieces.next();
    for (; !step.done; step = await pieces.next()) {
      text += step.value;
      printText(step.value);
    }
    print("\n");
    const ids = await promptIdsOf(model.tokenizer, prompt + text);
    const { length: from } = await promptIdsOf(model.tokenizer, prompt);
    const read = memory ? model.memoryFor({ scopes }) : undefined;
    const sources = sourcesSaid({ ids, from, memory: read });
    for (const one of sources)
      progress.note(`${one.tokens} tokens stand in ${sourceName(one)} (${one.only} only there)`);
    if (input.learn !== undefined) await model.learn({ ids, scope: input.learn });
    const { finishReason, numTokens } = step.value;
    if (finishReason === "length" && numTokens < maxTokens)
      progress.note(`the model's context of ${model.config.maxPositions} tokens is full`);
    return {
      model: directory,
      memory: model.hasMemory,
      prompt,
      text,
      finishReason,
      tokens: numTokens,
      ...(sources.length > 0 && { sources }),
      memoryReport: model.memoryReport,
    };
  },
});
