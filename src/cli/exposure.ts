/**
 * Whether other machines may reach what a command puts on a port: only where somebody said so. Knows host names;
 * opens nothing.
 */
import { InvalidConfigError } from "../errors.ts";
import { isLoopbackName } from "../server/index.ts";
import type { CommandContext } from "./command.ts";

export interface Exposure {
  readonly host: string;
  /** Asked for on every request that tells anything. */
  readonly apiKey?: string | undefined;
  /** `--insecure`: it may be open to whoever reaches it. */
  readonly insecure: boolean;
  /** How others could be kept out: "give it a key (--api-key)". */
  readonly remedy: string;
}

/** Throws `InvalidConfigError` for an open door that nobody asked for; notes the one that somebody did. */
export function checkExposure(
  { host, apiKey, insecure, remedy }: Exposure,
  { progress }: Pick<CommandContext, "progress">,
): void {
  if (isLoopbackName(host) || apiKey !== undefined) return;
  const warning = `${host} can be reached by other machines, and whoever reaches it can use this server`;
  if (!insecure)
    throw new InvalidConfigError(`${warning}; ${remedy}, leave out --host, or add --insecure`);
  progress.note(`warning: ${warning}`);
}
