/** The text of a file of keys. Opens none, and keeps no key. */
import * as z from "zod";
import { FormatError, InvalidConfigError } from "../errors.ts";
import { isFactName } from "../facts/index.ts";
import { checkJsonNames } from "../json-names.ts";
import { plainWords, sentenceOf } from "../schema-words.ts";
import { type ApiKeys, digestOf, type Principal } from "./api-keys.ts";

const name = z
  .string()
  .refine(isFactName, 'expected 1 to 64 letters, digits, "_", ".", ":" or "-"');

const fileSchema = z.strictObject({
  keys: z
    .array(
      z
        .strictObject({
          name,
          key: z
            .string()
            .regex(/^[\x21-\x7E]{16,256}$/, "expected 16 to 256 printable characters, no spaces")
            .optional(),
          sha256: z
            .string()
            .regex(/^[0-9a-f]{64}$/, "expected 64 hexadecimal digits")
            .optional(),
          scopes: z.record(name, z.enum(["read", "write"])).default({}),
          admin: z.boolean().default(false),
          max_facts: z.int().min(0).optional(),
          max_bytes: z.int().min(0).optional(),
        })
        .refine(({ key, sha256 }) => (key === undefined) !== (sha256 === undefined), {
          path: ["key"],
          message: "expected a key, or its sha256 in place of it",
        })
        .refine(({ admin, scopes }) => admin || Object.keys(scopes).length > 0, {
          path: ["scopes"],
          message: "expected at least one scope, or admin true",
        }),
    )
    .min(1),
});

/** Plain words for what is missing; what is there may be a key. */
const withoutValues: typeof plainWords = (issue) =>
  issue.input === undefined ? plainWords(issue) : undefined;

/** Throws `FormatError` or `InvalidConfigError`, which begin with `where`. */
export async function parseApiKeys(text: string, where: string): Promise<ApiKeys> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    // The parser's message would show a part of the file.
    throw new FormatError(`${where} is not JSON`);
  }
  checkJsonNames(text, where);
  const parsed = fileSchema.safeParse(json, { error: withoutValues });
  if (!parsed.success) throw new InvalidConfigError(`${where}: ${sentenceOf(parsed.error)}`);
  const keys = new Map<string, Principal>();
  const names = new Set<string>();
  for (const one of parsed.data.keys) {
    const digest = one.sha256 ?? (await digestOf(one.key!));
    if (keys.has(digest) || names.has(one.name))
      throw new InvalidConfigError(`${where}: the key or the name "${one.name}" is there twice`);
    names.add(one.name);
    keys.set(digest, {
      name: one.name,
      scopes: one.admin ? undefined : new Map(Object.entries(one.scopes)),
      isAdmin: one.admin,
      quota: { maxFacts: one.max_facts, maxBytes: one.max_bytes },
    });
  }
  return keys;
}
