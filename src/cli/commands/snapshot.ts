/** `engram snapshot` and `engram rollback`: names for what a model knows, and the way back. */
import * as z from "zod";
import type { LearnedSize } from "../../facts/index.ts";
import { path } from "../arguments.ts";
import { type Command, defineCommand } from "../command.ts";
import { amountOf, numberOf, openFactsOf } from "../facts-of.ts";
import { factName, memoryOptions, memorySchema } from "../model-options.ts";
import { FactsClient, urlOption } from "../facts-client.ts";
import { modelArgument } from "../resolve-model.ts";

export const snapshotCommand: Command = defineCommand({
  path: "snapshot",
  summary: "name what a model was taught so far",
  description:
    "Gives what the model MODEL was taught so far, in all scopes, the name NAME, for engram rollback. What is forgotten " +
    "later is gone from snapshots, too. Does not open the model.",
  arguments: [modelArgument, { name: "NAME", description: "a name that is not taken" }],
  options: [
    { flags: "--remove", description: "remove the snapshot instead" },
    ...memoryOptions,
    urlOption,
  ],
  examples: ["snapshot models/tiny monday", "snapshot models/tiny monday --remove"],
  schema: z.object({
    model: path,
    name: factName,
    remove: z.boolean().optional(),
    ...memorySchema,
    url: z.string().optional(),
  }),
  async run({ model, name, remove = false, url, memoryDir, memoryUrl }, context) {
    const { print } = context;
    const done = `snapshot ${name} is ${remove ? "removed" : "kept"}\n`;
    if (url !== undefined) {
      const client = new FactsClient(url, context);
      const snapshots = await (remove ? client.removeSnapshot(name) : client.snapshot(name));
      print(done);
      return { model, place: url, snapshots };
    }
    const store = await openFactsOf(model, { memoryDir, memoryUrl });
    try {
      await (remove ? store.removeSnapshot(name) : store.snapshot(name));
      const { place, snapshots } = store;
      print(done);
      return { model, place, snapshots };
    } finally {
      await store.close();
    }
  },
});

export const rollbackCommand: Command = defineCommand({
  path: "rollback",
  summary: "go back to a snapshot of what was taught",
  description:
    "The model MODEL knows again what it was taught up to the snapshot NAME, in all scopes. What was taught after it is " +
    "erased, what was replaced is back, and what was forgotten since stays forgotten. Does not open the model.",
  arguments: [
    modelArgument,
    { name: "NAME", description: "a snapshot, as engram facts lists them" },
  ],
  options: [...memoryOptions, urlOption],
  examples: ["rollback models/tiny monday"],
  schema: z.object({
    model: path,
    name: factName,
    ...memorySchema,
    url: z.string().optional(),
  }),
  async run({ model, name, url, memoryDir, memoryUrl }, context) {
    const { print } = context;
    const tell = (facts: number, learned: readonly LearnedSize[]): void => {
      print(`back at ${name}: ${numberOf(facts, "fact")}\n`);
      for (const one of learned) print(`scope ${one.scope} has learned ${amountOf(one)}\n`);
    };
    if (url !== undefined) {
      const { facts, learned } = await new FactsClient(url, context).rollback(name);
      tell(facts, learned);
      return { model, place: url, facts, learned };
    }
    const store = await openFactsOf(model, { memoryDir, memoryUrl });
    try {
      await store.rollback(name);
      const { length: facts } = store.facts();
      const learned = store.learnedSizes();
      tell(facts, learned);
      return { model, place: store.place, facts, learned };
    } finally {
      await store.close();
    }
  },
});
