/** Where the hub is, who asks, and where its files are kept: the variables and files that all of the hub's clients read. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { homeDirectory } from "../../bytes/node/index.ts";
import { InvalidConfigError } from "../../errors.ts";
import type { HubAddress } from "../hub.ts";

export interface HubSettings extends HubAddress {
  /** The cache folder, which Python's huggingface_hub shares. */
  readonly cache: string;
  readonly isOffline: boolean;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Of HF_ENDPOINT, HF_TOKEN, HF_TOKEN_PATH, HF_HUB_DISABLE_IMPLICIT_TOKEN, HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME and
 * HF_HUB_OFFLINE.
 */
export function hubSettings(env: Environment, { home }: { home?: string } = {}): HubSettings {
  // Not asked for before it is needed: some users have none.
  const homePath = (): string => home ?? homeDirectory(env);
  const place = (...names: readonly string[]): string | undefined =>
    names
      .map((name) => env[name])
      .find((value) => value)
      ?.replace(/^~(?=\/|$)/, homePath);
  const hfHome =
    place("HF_HOME") ?? join(place("XDG_CACHE_HOME") ?? join(homePath(), ".cache"), "huggingface");
  const isSet = (name: string): boolean => /^(1|on|yes|true)$/i.test(env[name] ?? "");
  // Nobody names a token here, so every one is implicit.
  const token = isSet("HF_HUB_DISABLE_IMPLICIT_TOKEN")
    ? undefined
    : env["HF_TOKEN"] ||
      env["HUGGING_FACE_HUB_TOKEN"] ||
      textOf(place("HF_TOKEN_PATH") ?? join(hfHome, "token"));
  return {
    endpoint: endpointOf(env["HF_ENDPOINT"] || "https://huggingface.co"),
    token: token?.trim() || undefined,
    cache: place("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE") ?? join(hfHome, "hub"),
    isOffline: isSet("HF_HUB_OFFLINE"),
  };
}

function endpointOf(text: string): string {
  if (/^https?:\/\//.test(text) && URL.canParse(text)) return text.replace(/\/+$/, "");
  throw new InvalidConfigError(
    "HF_ENDPOINT: expected an http or https address, such as https://huggingface.co",
  );
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
