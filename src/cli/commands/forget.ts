/** `engram forget`: erases what a model was taught. */
import * as z from "zod";
import { InvalidConfigError } from "../../errors.ts";
import type { Forgotten, Selection } from "../../facts/index.ts";
import { loadModel } from "../../load-model.ts";
import { path } from "../arguments.ts";
import { type Command, defineCommand } from "../command.ts";
import { amountOf, numberOf, openFactsOf } from "../facts-of.ts";
import { threadsOption, threadsSchema } from "../engine-threads.ts";
import { factName, memoryOptions, memorySchema, openedBy } from "../model-options.ts";
import { FactsClient, type ForgottenNames, urlOption } from "../facts-client.ts";
import { modelArgument } from "../resolve-model.ts";

export const forgetCommand: Command = defineCommand({
  path: "forget",
  summary: "erase what a model was taught",
  description:
    "Erases the fact with an id, all of a scope, or all that the model MODEL was taught. When it answers, no file of the " +
    "memory holds the text or its tokens, no snapshot brings them back, and the model computes what it would have if it had " +
    "never been taught. Opens the model only where a vector of what stays was found for it as well: then another is found.",
  arguments: [modelArgument],
  options: [
    { flags: "--id <ID>", description: "the fact of this name (in --scope, or in all)" },
    { flags: "--scope <NAME>", description: "all facts of this scope, and what it has learned" },
    { flags: "--all", description: "everything" },
    ...memoryOptions,
    urlOption,
    threadsOption,
  ],
  examples: ["forget models/tiny --id 3f9a0c12d4e5b678", "forget models/tiny --scope acme"],
  schema: z.object({
    model: path,
    id: factName.optional(),
    scope: factName.optional(),
    all: z.boolean().optional(),
    ...memorySchema,
    url: z.string().optional(),
    ...threadsSchema,
  }),
  async run(input, context) {
    const { model, id, scope, all = false, url, memoryDir, memoryUrl } = input;
    const { print, signal } = context;
    if (all ? id !== undefined || scope !== undefined : id === undefined && scope === undefined)
      throw new InvalidConfigError("expected --id, or --scope, or --all alone");
    const missing = (place: string | undefined): InvalidConfigError =>
      new InvalidConfigError(`there is no fact "${id}" in ${place}; engram facts lists them`);
    const tell = (place: string | undefined, { facts, learned }: ForgottenNames): object => {
      if (id !== undefined && facts.length === 0) throw missing(place);
      print(`${numberOf(facts.length, "fact")} ${facts.length === 1 ? "is" : "are"} forgotten\n`);
      for (const one of learned)
        print(`what scope ${one.scope} has learned is forgotten: ${amountOf(one)}\n`);
      return { model, place, forgotten: facts, learned };
    };
    if (url !== undefined)
      return tell(url, await new FactsClient(url, context).forget({ id, scope }));
    const selection: Selection = { scope, ...(id === undefined ? { all: true } : { id }) };
    const store = await openFactsOf(model, { memoryDir, memoryUrl });
    try {
      const { place } = store;
      let gone: Forgotten;
      if (store.sharesVectors(selection)) {
        await store.close();
        await using learner = await loadModel(model, openedBy(input, context));
        gone = await learner.forget(selection, { signal });
      } else gone = await store.forget(selection);
      return tell(place, { ...gone, facts: gone.facts.map((one) => one.id) });
    } finally {
      await store.close();
    }
  },
});
