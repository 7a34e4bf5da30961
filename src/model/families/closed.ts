/**
 * Settings read as a closed world. Every key is either read, or known to change no number, or has a value that means
 * what is computed here anyway. Any other key is refused by name and value, because a model computed without it would
 * give wrong answers without a warning. Knows no family and no key.
 */
import { InvalidConfigError } from "../../errors.ts";
import { shown } from "../../json-values.ts";

export type Json = Readonly<Record<string, unknown>>;

/** How each key is treated. A key in none of the three lists is refused. */
export interface ClosedKeys {
  /** Keys whose values the reader checks itself. */
  readonly read: readonly string[];
  /** Keys for which only one kind of arithmetic exists here, with the values that mean it. */
  readonly fixed: Readonly<Record<string, readonly unknown[]>>;
  /** Keys that change no number, with the reason. */
  readonly neutral: Readonly<Record<string, string>>;
}

/** The most refused keys that one message lists. */
const MOST_SHOWN = 6;

/** Throws `InvalidConfigError` naming the keys of `json` that are not supported. `where` is the file, or its part. */
export function checkKeys(json: Json, { read, fixed, neutral }: ClosedKeys, where: string): void {
  const refused: string[] = [];
  for (const [key, value] of Object.entries(json)) {
    if (read.includes(key) || Object.hasOwn(neutral, key)) continue;
    const allowed = Object.hasOwn(fixed, key) ? fixed[key]! : undefined;
    const text = shown(value);
    // None that is fixed is so long that it would be cut.
    if (allowed?.some((one) => shown(one) === text)) continue;
    const reason =
      allowed === undefined
        ? "not known here"
        : `computed here as ${allowed.map((one) => shown(one)).join(" or ")}`;
    refused.push(`"${key}": ${text} (${reason})`);
  }
  if (refused.length === 0) return;
  const more = refused.length - MOST_SHOWN;
  throw new InvalidConfigError(
    `${where}: this model uses settings that are not supported here: ${refused.slice(0, MOST_SHOWN).join(", ")}` +
      `${more > 0 ? `, and ${more} more` : ""}; ignoring them would change its answers`,
  );
}

export interface Bounds {
  readonly least?: number;
  readonly most?: number;
}

/** Sizes are counted and multiplied as doubles, and no tensor has a longer side than this. */
const MAX_WHOLE = 2 ** 31 - 1;

export function whole(
  json: Json,
  key: string,
  { least = 1, most = MAX_WHOLE }: Bounds = {},
): number {
  const value = json[key];
  if (typeof value !== "number" || !Number.isInteger(value) || value < least || value > most)
    throw new InvalidConfigError(
      `config.json: "${key}" must be a whole number of ${least}..${most}, got ${shown(value)}`,
    );
  return value;
}

/** The smallest number that float32 holds in full: what a norm adds may not be less. */
export const LEAST_EPS: number = 2 ** -126;

/** What `table` has for the word under `key`. */
export function oneOf<T>(json: Json, key: string, table: Readonly<Record<string, T>>): T {
  const value = json[key];
  if (typeof value === "string" && Object.hasOwn(table, value)) return table[value]!;
  throw new InvalidConfigError(
    `config.json: "${key}": ${shown(value)} (computed here as ${Object.keys(table)
      .map((one) => shown(one))
      .join(" or ")})`,
  );
}

/** A finite number that float32 can hold. */
export function decimal(
  json: Json,
  key: string,
  { least = 0, most = 3.4e38 }: Bounds = {},
): number {
  const value = json[key];
  if (typeof value !== "number" || !(value >= least && value <= most))
    throw new InvalidConfigError(
      `config.json: "${key}" must be a number of ${least}..${most}, got ${shown(value)}`,
    );
  return value;
}

/** false if the key is absent. */
export function flag(json: Json, key: string): boolean {
  const value = json[key] ?? false;
  if (typeof value !== "boolean")
    throw new InvalidConfigError(
      `config.json: "${key}" must be true or false, got ${shown(value)}`,
    );
  return value;
}
