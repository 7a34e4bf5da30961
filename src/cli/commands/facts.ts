/** `engram facts`: what a model was taught. */
import * as z from "zod";
import { formatFacts } from "../../facts/index.ts";
import { writeNewFile } from "../new-file.ts";
import { path } from "../arguments.ts";
import { type Command, defineCommand } from "../command.ts";
import { amountOf, numberOf, openFactsOf } from "../facts-of.ts";
import { factName, memoryOptions, memorySchema } from "../model-options.ts";
import { FactsClient, urlOption } from "../facts-client.ts";
import { modelArgument } from "../resolve-model.ts";

export const factsCommand: Command = defineCommand({
  path: "facts",
  summary: "list what a model was taught",
  description:
    "Lists the facts that the model MODEL was taught, the oldest first, its snapshots, and how much its scopes have learned. --out writes them as JSON, a line " +
    "each, which engram teach --file reads, for another model as well. Does not open the model.",
  arguments: [modelArgument],
  options: [
    { flags: "--scope <NAME...>", description: "only of these scopes (default: of all)" },
    { flags: "--out <FILE>", description: "write them to FILE, which must not exist" },
    ...memoryOptions,
    urlOption,
  ],
  examples: ["facts models/tiny", "facts models/tiny --scope acme --out acme.jsonl"],
  schema: z.object({
    model: path,
    out: path.optional(),
    scope: z.array(factName).optional(),
    ...memorySchema,
    url: z.string().optional(),
  }),
  async run({ model, scope, out, url, memoryDir, memoryUrl }, context) {
    const { print, progress } = context;
    const client = url === undefined ? undefined : new FactsClient(url, context);
    const store =
      client === undefined ? await openFactsOf(model, { memoryDir, memoryUrl }) : undefined;
    const { facts, learned } =
      client === undefined
        ? {
            facts: store!.facts(scope).map(({ fact }) => fact),
            learned: store!.learnedSizes(scope),
          }
        : await client.facts(scope);
    const place = store?.place ?? client!.url;
    const snapshots = store?.snapshots ?? [];
    await store?.close();
    if (facts.length + learned.length === 0)
      progress.note(
        `nothing was taught${scope === undefined ? "" : ` in ${scope.join(", ")}`} (${place})`,
      );
    if (out !== undefined) await writeNewFile(out, formatFacts(facts));
    else
      for (const { id, scope: of, prompt, completion, source, expiresAt } of facts)
        print(
          `${id}  ${of}  ${JSON.stringify(prompt)} -> ${JSON.stringify(completion)}` +
            `${source === undefined ? "" : `  (${source})`}${expiresAt === undefined ? "" : `  until ${expiresAt}`}\n`,
        );
    for (const { name, numFacts } of snapshots)
      progress.note(`snapshot ${name}: ${numberOf(numFacts, "fact")} in all scopes`);
    for (const one of learned) progress.note(`scope ${one.scope} has learned ${amountOf(one)}`);
    return { model, place, facts, snapshots, learned };
  },
});
