/**
 * Decides whether other machines may reach a port: only if the user asked for it. Knows host names; opens nothing.
 */
import { InvalidConfigError } from "../errors.ts";
import { isLoopbackName } from "../server/index.ts";
import type { CommandContext } from "./command.ts";

export interface Exposure {
  readonly host: string;
  /** Required for every request that returns data. */
  readonly apiKey?: string | undefined;
  /** `--insecure`: the port may be open to everybody. */
  readonly insecure: boolean;
  /** How to keep others out: "give it a key (--api-key)". */
  readonly remedy: string;
}

/** Throws `InvalidConfigError` for an open port that nobody asked for; notes one that the user did ask for. */
export function checkExposure(
  { host, apiKey, insecure, remedy }: Exposure,
  { progress }: Pick<CommandContext, "progress">,
): void {
  if (isLoopbackName(host) || apiKey !== undefined) return;
  const warning = `${host} can be reached by other machines, and everybody who reaches it can use this server`;
  if (!insecure)
    throw new InvalidConfigError(`${warning}; ${remedy}, leave out --host, or add --insecure`);
  progress.note(`warning: ${warning}`);
}
