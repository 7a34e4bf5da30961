/**
 * What MODEL on a command line means: a path that exists, or else the name of a model in the hub's cache. The one place
 * that says so; commands get paths. Asks no network: only `engram pull` does.
 */
import { existsSync } from "node:fs";
import { InvalidConfigError } from "../errors.ts";
import { parseModelName } from "../hub/index.ts";
import type { CommandArgument } from "./command.ts";
import { type Environment, findCachedModel, hubSettings } from "../hub/node/index.ts";

export const modelArgument: CommandArgument = {
  name: "MODEL",
  description: "directory or .gguf file of a model, or the name of a pulled one (owner/repo)",
};

/** What is neither path nor name comes back as it is: what is wrong with a path, its reader says best. */
export async function resolveModel(
  text: string,
  { env, program }: { env: Environment; program: string },
): Promise<string> {
  if (existsSync(text)) return text;
  const name = parseModelName(text);
  if (name === undefined) return text;
  const { cache } = hubSettings(env);
  const found = await findCachedModel(cache, name);
  if (found !== undefined) return found;
  if (!name.repo.includes("/")) return text;
  throw new InvalidConfigError(
    `${text}: no such file or directory, and no model of that name in ${cache}; check the path, or fetch the model from ` +
      `the Hugging Face Hub: ${program} pull ${text}`,
  );
}
