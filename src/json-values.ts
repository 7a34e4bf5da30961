/** What a value is that was read from JSON. Open to all folders, as `errors.ts` is; knows nothing of what it means. */

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What it has under names; nothing where it is no record. */
export function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return isRecord(value) ? value : {};
}

export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** A value in a message: as JSON, but infinity, as which JSON reads 1e999, by its name. */
export function shown(value: unknown, most = 80): string {
  const named = (_: string, one: unknown): unknown =>
    one === Infinity || one === -Infinity ? `${one}` : one;
  const text = typeof value === "number" ? `${value}` : (JSON.stringify(value, named) ?? "nothing");
  return text.length > most ? `${text.slice(0, most)}…` : text;
}
