/** `engram ls`: the models on this machine. */
import * as z from "zod";
import { formatBytes } from "../../machine/index.ts";
import { type Command, defineCommand } from "../command.ts";
import { findModels, type FoundModel } from "../find-models.ts";
import { modelBytes, type ModelSummary, summarizeModel } from "../model-summary.ts";

export const lsCommand: Command = defineCommand({
  path: "ls",
  summary: "list the models on this machine",
  description:
    "Lists the models in the cache of the Hugging Face Hub's clients (engram pull) and those in the current directory " +
    "and two levels below, by the names that other commands take: architecture, parameters, type of the weights, " +
    "size, and whether they have a memory. Reads headers only.",
  options: [],
  examples: ["ls", "ls --json"],
  schema: z.object({}),
  async run(_input, { env, print, progress }) {
    const models: ListedModel[] = [];
    for (const found of await findModels(env)) models.push(await describe(found));
    if (models.length === 0) progress.note("no models here; engram pull owner/repo fetches one");
    else print(table(models));
    return { models };
  },
});

interface ListedModel extends FoundModel, Partial<ModelSummary> {
  readonly bytes: number;
  /** Why it cannot be read. */
  readonly problem?: string;
}

async function describe(found: FoundModel): Promise<ListedModel> {
  const bytes = await modelBytes(found.path);
  try {
    return { ...found, ...(await summarizeModel(found.path)), bytes };
  } catch (error) {
    // One bad model must not hide the others.
    return { ...found, bytes, problem: (error as Error).message };
  }
}

const compact = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });

function table(models: readonly ListedModel[]): string {
  const rows = [["NAME", "ARCHITECTURE", "PARAMETERS", "WEIGHTS", "SIZE", "MEMORY"]];
  for (const { name, architecture, parameters, dtype, bytes, hasMemory, problem } of models)
    rows.push(
      problem === undefined
        ? [
            name,
            architecture!,
            compact.format(parameters!),
            dtype!,
            formatBytes(bytes),
            hasMemory! ? "yes" : "no",
          ]
        : [name, "unreadable", "", "", formatBytes(bytes), problem],
    );
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  const last = widths.length - 1;
  return rows
    .map((row) => row.map((cell, i) => (i === last ? cell : cell.padEnd(widths[i]!))).join("  "))
    .map((line) => `${line}\n`)
    .join("");
}
