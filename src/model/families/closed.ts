/**
 * Settings read as a closed world: every key is one that is read, one whose value says what is computed here anyway, or
 * one that changes no number. Anything else is refused by name and value, for a model computed without it would give
 * wrong answers and not say so. Knows no family and no key.
 */
import { InvalidConfigError } from "../../errors.ts";

export type Json = Readonly<Record<string, unknown>>;

/** What is made of each key. A key in none of the three is refused. */
export interface ClosedKeys {
  /** The reader checks their values itself. */
  readonly read: readonly string[];
  /** Arithmetic that exists here in one form: the values that stand for it. */
  readonly fixed: Readonly<Record<string, readonly unknown[]>>;
  /** Why the key changes no number. */
  readonly neutral: Readonly<Record<string, string>>;
}

/** Refusals that a message has room for. */
const MOST_SHOWN = 6;

/** Throws `InvalidConfigError` that names the keys of `json` that cannot be computed with. `where` is the file, or the part. */
export function checkKeys(json: Json, { read, fixed, neutral }: ClosedKeys, where: string): void {
  const refused: string[] = [];
  for (const [key, value] of Object.entries(json)) {
    if (read.includes(key) || Object.hasOwn(neutral, key)) continue;
    const allowed = Object.hasOwn(fixed, key) ? fixed[key]! : undefined;
    const text = show(value);
    if (allowed?.some((one) => JSON.stringify(one) === JSON.stringify(value))) continue;
    const reason =
      allowed === undefined
        ? "not known here"
        : `computed here as ${allowed.map(show).join(" or ")}`;
    refused.push(`"${key}": ${text} (${reason})`);
  }
  if (refused.length === 0) return;
  const more = refused.length - MOST_SHOWN;
  throw new InvalidConfigError(
    `${where}: this model needs what is not computed here: ${refused.slice(0, MOST_SHOWN).join(", ")}` +
      `${more > 0 ? `, and ${more} more` : ""}; without it the answers would be another model's`,
  );
}

export interface Bounds {
  readonly least?: number;
  readonly most?: number;
}

/** Sizes are counted and multiplied in doubles; no tensor has a longer side. */
const MAX_WHOLE = 2 ** 31 - 1;

export function whole(
  json: Json,
  key: string,
  { least = 1, most = MAX_WHOLE }: Bounds = {},
): number {
  const value = json[key];
  if (typeof value !== "number" || !Number.isInteger(value) || value < least || value > most)
    throw new InvalidConfigError(
      `config.json: "${key}" must be a whole number of ${least}..${most}, got ${show(value)}`,
    );
  return value;
}

/** A number that is finite and has a float32 beside it. */
export function decimal(
  json: Json,
  key: string,
  { least = 0, most = 3.4e38 }: Bounds = {},
): number {
  const value = json[key];
  if (typeof value !== "number" || !(value >= least && value <= most))
    throw new InvalidConfigError(
      `config.json: "${key}" must be a number of ${least}..${most}, got ${show(value)}`,
    );
  return value;
}

/** false where the key is absent. */
export function flag(json: Json, key: string): boolean {
  const value = json[key] ?? false;
  if (typeof value !== "boolean")
    throw new InvalidConfigError(`config.json: "${key}" must be true or false, got ${show(value)}`);
  return value;
}

function show(value: unknown): string {
  // JSON knows no infinity, which 1e400 is read as.
  if (typeof value === "number") return String(value);
  const text = JSON.stringify(value) ?? "nothing";
  return text.length <= 80 ? text : `${text.slice(0, 77)}...`;
}
