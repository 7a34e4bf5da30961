/**
 * Schemas for the words of a command line: text in, value out. Knows no command.
 */
import * as z from "zod";
import { type WeightDtype, WEIGHT_DTYPES } from "../model/index.ts";

/** A path, which need not exist. */
export const path: z.ZodString = z.string().min(1, "expected a path, got an empty string");

export const weightDtype: z.ZodType<WeightDtype, string> = oneOf(WEIGHT_DTYPES);

/** One of a few words. */
export function oneOf<Word extends string>(words: readonly Word[]): z.ZodType<Word, string> {
  return z.string().transform((text, context) => {
    const word = words.find((candidate) => candidate === text);
    if (word !== undefined) return word;
    context.addIssue(`expected ${words.join(", ")}, got "${text}"`);
    return z.NEVER;
  });
}

/** A whole number from `least` to `most`, by default the largest exact one. */
export function wholeNumber(
  least: number,
  most: number = Number.MAX_SAFE_INTEGER,
): z.ZodType<number, string> {
  return z.string().transform((text, context) => {
    const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    const range =
      most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`;
    context.addIssue(`expected a whole number ${range}, got "${text}"`);
    return z.NEVER;
  });
}

/** A port of this machine; 0 lets the system choose. */
export const port: z.ZodType<number, string> = wholeNumber(0, 65_535);

/** A day, which stands for its beginning in UTC, or a moment; as `Date.toISOString` writes it. */
export const moment: z.ZodType<string, string> = z.string().transform((text, context) => {
  const isDate = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?(?:Z|[+-]\d\d:\d\d))?$/.test(
    text,
  );
  const time = new Date(isDate ? text : Number.NaN);
  // Days that a month does not have become days of the next one.
  const isThere =
    !Number.isNaN(time.getTime()) &&
    new Date(`${text.slice(0, 10)}T00:00Z`).getUTCDate() === Number(text.slice(8, 10));
  if (isThere) return time.toISOString();
  context.addIssue(
    `expected a day such as 2026-12-31, or a time such as 2026-12-31T18:00Z, got "${text}"`,
  );
  return z.NEVER;
});

/** An option without a value. As an environment variable: 1 or true, 0 or false. */
export const flag: z.ZodType<boolean, boolean | string> = z
  .union([z.boolean(), z.string()])
  .transform((value, context) => {
    if (typeof value === "boolean") return value;
    if (["1", "true", "0", "false"].includes(value)) return value === "1" || value === "true";
    context.addIssue(`expected 1 or 0, got "${value}"`);
    return z.NEVER;
  });

/** A number between `least` and `most`, both allowed; a `least` of Number.MIN_VALUE is any above 0. */
export function decimal(least: number, most: number): z.ZodType<number, string> {
  return z.string().transform((text, context) => {
    const value = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(text)
      ? Number(text)
      : Number.NaN;
    if (Number.isFinite(value) && value >= least && value <= most) return value;
    const from = least === Number.MIN_VALUE ? "above 0" : `of at least ${least}`;
    const range = most === Infinity ? from : `from ${least} to ${most}`;
    context.addIssue(`expected a number ${range}, got "${text}"`);
    return z.NEVER;
  });
}

const units: Readonly<Record<string, number>> = {
  "": 1,
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KIB: 2 ** 10,
  MIB: 2 ** 20,
  GIB: 2 ** 30,
  TIB: 2 ** 40,
};

/** "512MiB", "1.5GB", "4096": a number of bytes above 0. */
export const byteSize: z.ZodType<number, string> = z.string().transform((text, context) => {
  const [, number, unit] = /^(\d{1,12}(?:\.\d{1,6})?) ?([KMGT]i?B|B|)$/.exec(text.trim()) ?? [];
  const bytes = Math.floor(Number(number) * (units[unit?.toUpperCase() ?? ""] ?? Number.NaN));
  if (bytes > 0 && Number.isSafeInteger(bytes)) return bytes;
  context.addIssue(
    `expected a size in bytes, KB, MB, GB, TB, KiB, MiB, GiB or TiB, such as 512MiB or 2GB; got "${text}"`,
  );
  return z.NEVER;
});

/** "1,2,3": ids of at least `least`, at least one of them. */
export function idList(least: number): z.ZodType<number[], string> {
  return z.string().transform((text, context) => {
    const ids: number[] = [];
    for (const part of text.split(",")) {
      const id = /^\s*-?\d{1,10}\s*$/.test(part) ? Number(part) : Number.NaN;
      if (!(id >= least && id < 2 ** 31)) {
        context.addIssue(
          `expected ids of at least ${least}, separated by commas, such as 1,2,3; got "${part}"`,
        );
        return z.NEVER;
      }
      ids.push(id);
    }
    return ids;
  });
}
