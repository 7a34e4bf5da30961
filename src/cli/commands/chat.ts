/** `engram chat`: a conversation with a model, at a terminal or through a pipe. */
import { DisposalStack } from "../../disposal-stack.ts";
import * as z from "zod";
import { ChatTemplate, Conversation, runningText, templated } from "../../chat/index.ts";
import { startTemplateWorker } from "../../chat/node/index.ts";
import { InvalidConfigError } from "../../errors.ts";
import { createSampler, Decoder } from "../../inference/index.ts";
import { loadModel } from "../../load-model.ts";
import { path, weightDtype, wholeNumber } from "../arguments.ts";
import { ChatTalk } from "../chat-talk.ts";
import { chatTemplateOption, readChatTemplate } from "../chat-template-option.ts";
import { type Command, defineCommand } from "../command.ts";
import { threadsOption, threadsSchema } from "../engine-threads.ts";
import {
  ctxSizeOption,
  dtypeOption,
  factName,
  learnOption,
  openedBy,
  scopesRead,
  taughtOptions,
  taughtSchema,
} from "../model-options.ts";
import { writeNewFile } from "../new-file.ts";
import { modelArgument } from "../resolve-model.ts";
import { samplingOf, samplingOptions, samplingSchema } from "../sampling-options.ts";
import { tableOptions, tableSchema } from "../table-place.ts";
import { startedEarly } from "../../worker/index.ts";

/** Of an answer of a model that knows no end of one. */
const runningTokens = 128;

export const chatCommand: Command = defineCommand({
  path: "chat",
  summary: "talk with a model",
  description:
    "Talks with the model MODEL. Lines are answered as they come, from the keyboard or from a " +
    "pipe; /help lists what can be changed on the way, such as /memory off. Ctrl-C stops an answer, twice it " +
    "leaves. A conversation that outgrows the context loses its oldest turns. A model without a chat " +
    "template continues one running text instead. With --json the conversation is one document at the end.",
  arguments: [modelArgument],
  options: [
    { flags: "--system <TEXT>", description: "what the model is told before the first turn" },
    chatTemplateOption,
    {
      flags: "--max-tokens <N>",
      description: `tokens of an answer (default: to its end; ${runningTokens} without a template)`,
    },
    ctxSizeOption,
    { flags: "--no-memory", description: "open the model without its memory" },
    ...taughtOptions,
    learnOption,
    dtypeOption,
    threadsOption,
    ...tableOptions,
    ...samplingOptions,
    { flags: "--stop <TEXT...>", description: "end answers before any of these texts" },
  ],
  examples: [
    "chat models/tiny",
    'chat models/tiny --system "You are brief." --temperature 0',
    "chat models/tiny --json < questions.txt",
  ],
  schema: z.object({
    model: path,
    system: z.string().min(1, "expected a text, got an empty one").optional(),
    chatTemplate: path.optional(),
    maxTokens: wholeNumber(1).optional(),
    ctxSize: wholeNumber(1).optional(),
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
    const { model: directory, system, memory, stop, ctxSize: contextSize } = input;
    await using owned = new DisposalStack();
    const given = await readChatTemplate(input.chatTemplate, context);
    // Nearly every model that is talked with has a template.
    const early = owned.adopt(startedEarly(startTemplateWorker), (one) => one.close());
    const opening = openedBy(input, context);
    const loading = loadModel(directory, { memory, contextSize, ...opening });
    const model = owned.adopt(await loading, (one) => one.close());
    const { tokenizer } = model;
    const source = given ?? model.chatTemplate;
    if (source === undefined && system !== undefined)
      throw new InvalidConfigError(
        `${directory} is a base model without a chat template, so nothing can be told to it; ` +
          "leave out --system, or give it a --chat-template",
      );
    const template =
      source === undefined
        ? undefined
        : new ChatTemplate(source, { tokenizer, startWorker: early.start });
    owned.adopt(template, (one) => one?.close());
    if (template === undefined) early.close();
    const decoder = owned.adopt(
      new Decoder(model.languageModel(), { capacity: contextSize }),
      (one) => one.dispose(),
    );
    if (input.learn !== undefined) model.checkLearning();
    const view = { memory: model.memoryFor({ scopes: scopesRead(input) }) };
    const session = owned.adopt(decoder.createSession({ view }), (one) => one.dispose());
    const conversation = new Conversation(session, {
      tokenizer,
      promptOf: template === undefined ? runningText(tokenizer) : templated(template, tokenizer),
      sampler: createSampler(samplingOf(input, model)),
      system,
      stop,
      maxTokens: input.maxTokens ?? (template === undefined ? runningTokens : undefined),
    });
    const talk = new ChatTalk(conversation, {
      tokenizer,
      hasMemory: model.hasMemory,
      context,
      save: (file, messages) => save(file, { model: directory, messages }),
    });
    talk.greet(
      template === undefined
        ? `${directory} is a base model without a chat template: it continues one running text, to which your ` +
            "lines are added as they are"
        : directory,
    );
    await talk.run();
    if (input.learn !== undefined) await model.learn({ ids: session.ids, scope: input.learn });
    const { messages } = conversation;
    return { model: directory, memory: model.hasMemory, messages };
  },
});

/** Never over a file that is there. */
async function save(file: string, document: object): Promise<void> {
  const text = `${JSON.stringify(document, undefined, 2)}\n`;
  await writeNewFile(file, text);
}
