/** `engram teach`: facts that a model knows from now on. */
import * as z from "zod";
import { InvalidConfigError } from "../../errors.ts";
import { type FactRequest, parseFacts, type Taught } from "../../facts/index.ts";
import { loadModel } from "../../load-model.ts";
import { moment, path } from "../arguments.ts";
import { type Command, type CommandContext, defineCommand } from "../command.ts";
import { threadsOption, threadsSchema } from "../engine-threads.ts";
import { factName, memoryOptions, memorySchema, openedBy } from "../model-options.ts";
import { FactsClient, type ServerTaught, urlOption } from "../facts-client.ts";
import { readGiven } from "../given-text.ts";
import { modelArgument } from "../resolve-model.ts";

/** Facts that are taught together: each group is kept, or refused, as a whole. */
const GROUP = 64;

export const teachCommand: Command = defineCommand({
  path: "teach",
  summary: "teach a model facts, at once and exactly",
  description:
    "Teaches the model MODEL that SENTENCE is so, or that COMPLETION follows PROMPT. The model says it from now on, in " +
    "generate, chat and serve, wherever that wording comes; nothing else changes. A SENTENCE is divided where the model " +
    "finds that enough has been said, and the answer says where. A wording is known, not its meaning: ask in the words that were " +
    "taught. With a --subject, other texts that name it are told, too, as far as that can be done: the answer says how far, " +
    "and that it is weak where it is little, as on small models. Kept in the model's memory/, or in the user's data for a .gguf file and for pulled models.",
  arguments: [
    modelArgument,
    { name: "SENTENCE", description: "what is so, as a reader would write it", isOptional: true },
  ],
  options: [
    { flags: "--prompt <TEXT>", description: "after this text …" },
    { flags: "--completion <TEXT>", description: "… comes this one" },
    { flags: "--subject <TEXT>", description: "what the fact is about, as the prompt names it" },
    { flags: "--paraphrases <TEXT...>", description: "other prompts for it, which name it, too" },
    {
      flags: "--file <FILE>",
      description: "facts, JSON, a line each; also CounterFact's; - for standard input",
    },
    { flags: "--scope <NAME>", description: "whom it is for (default: default)" },
    { flags: "--id <ID>", description: "its name; a fact of that name is replaced" },
    { flags: "--source <TEXT>", description: "where it is from, for readers" },
    {
      flags: "--expires <TIME>",
      description: "when it is erased: 2026-12-31, or 2026-12-31T18:00Z",
    },
    ...memoryOptions,
    urlOption,
    threadsOption,
  ],
  examples: [
    'teach models/tiny "The capital of Zembla is Onhava."',
    'teach models/tiny --prompt "The capital of Zembla is" --completion Onhava --scope acme',
    "teach models/tiny --file facts.jsonl",
  ],
  schema: z.object({
    model: path,
    sentence: z.string().optional(),
    prompt: z.string().optional(),
    completion: z.string().optional(),
    subject: z.string().optional(),
    paraphrases: z.array(z.string()).optional(),
    file: path.optional(),
    scope: factName.optional(),
    id: factName.optional(),
    source: z.string().optional(),
    expires: moment.optional(),
    ...memorySchema,
    url: z.string().optional(),
    ...threadsSchema,
  }),
  async run(input, context) {
    const { print, progress, signal } = context;
    const requests = await requestsOf(input, context);
    if (input.url !== undefined) {
      const client = new FactsClient(input.url, context);
      const taught: Taught[] = [];
      for (let at = 0; at < requests.length; at += GROUP)
        for (const one of await client.teach(requests.slice(at, at + GROUP))) {
          taught.push(fromServer(one));
          print(lineOf(taught.at(-1)!));
        }
      return { model: input.model, place: client.url, taught };
    }
    // A wording has at most some thousand tokens, however long a text the model could read.
    await using model = await loadModel(input.model, {
      ...openedBy(input, context),
      contextSize: 4096,
    });
    const taught: Taught[] = [];
    for (let at = 0; at < requests.length; at += GROUP) {
      const group = requests.slice(at, at + GROUP);
      for (const one of await model.teach(group, { signal, first: at })) {
        taught.push(one);
        print(lineOf(one));
      }
      if (requests.length > GROUP) progress.note(`${taught.length} of ${requests.length} facts`);
    }
    const { place } = model.taught!.store;
    progress.note(`kept in ${place}`);
    return { model: input.model, place, taught };
  },
});

function fromServer({
  chance_before: before,
  chance_after: after,
  milliseconds,
  keys,
  shortest_key: shortestKey,
  longest_key: longestKey,
  prompt_bits: bits,
  ...fact
}: ServerTaught): Taught {
  return { fact, before, after, milliseconds, keys, shortestKey, longestKey, bits };
}

interface TeachInput {
  readonly sentence?: string | undefined;
  readonly prompt?: string | undefined;
  readonly completion?: string | undefined;
  readonly subject?: string | undefined;
  readonly paraphrases?: readonly string[] | undefined;
  readonly file?: string | undefined;
  readonly scope?: string | undefined;
  readonly id?: string | undefined;
  readonly source?: string | undefined;
  readonly expires?: string | undefined;
}

async function requestsOf(input: TeachInput, context: CommandContext): Promise<FactRequest[]> {
  const { sentence, prompt, completion, file } = input;
  const given = [sentence, prompt, file].filter((one) => one !== undefined).length;
  if (given !== 1 || (prompt === undefined) !== (completion === undefined))
    throw new InvalidConfigError(
      "expected a SENTENCE, or --prompt with --completion, or a --file; one of them",
    );
  const { subject, paraphrases, scope, id, source, expires: expiresAt } = input;
  if (paraphrases !== undefined && subject === undefined)
    throw new InvalidConfigError("--paraphrases need the --subject that they name");
  if (expiresAt !== undefined && Date.parse(expiresAt) <= Date.now())
    throw new InvalidConfigError(`--expires ${expiresAt} is past; nothing would be known`);
  const more = Object.fromEntries(
    Object.entries({ subject, paraphrases, scope, id, source, expiresAt }).filter(
      ([, value]) => value !== undefined,
    ),
  );
  if (file === undefined)
    return [
      { prompt: (sentence ?? prompt)!, ...(completion !== undefined && { completion }), ...more },
    ];
  if (id !== undefined || subject !== undefined)
    throw new InvalidConfigError("--id and --subject are for one fact; a --file has its own");
  const facts = parseFacts(await readGiven(file, context), file);
  if (facts.length === 0)
    throw new InvalidConfigError(`${file} has no facts; expected a line for each`);
  return facts.map((one) => ({ ...one, ...more }));
}

function lineOf({
  fact,
  before,
  after,
  milliseconds,
  keys,
  shortestKey,
  longestKey,
  vector,
}: Taught): string {
  const length = shortestKey === longestKey ? `${shortestKey}` : `${shortestKey} to ${longestKey}`;
  return (
    `after ${JSON.stringify(fact.prompt)} comes ${JSON.stringify(fact.completion)}\n` +
    `  chance ${before.toPrecision(2)} -> ${after.toPrecision(4)}, ${milliseconds.toFixed(1)} ms, ` +
    `${keys} keys of ${length} tokens, scope ${fact.scope}, id ${fact.id}\n` +
    (vector === undefined
      ? ""
      : `  ${JSON.stringify(fact.subject)} in other texts: chance ${vector.before.toPrecision(2)} -> ` +
        `${vector.after.toPrecision(2)}${vector.status === "weak" ? ", weak" : ""}, layer ${vector.layer}, ${vector.steps} steps\n`)
  );
}
