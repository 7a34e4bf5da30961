/**
 * JSON schemas as XGrammar 0.1.27 follows them: it passes over many words in silence, and gets some wrong (every one below
 * was tried: its test). What it follows comes out as it was, or written so that it does; the rest is refused by its
 * name and place. Work grows with words times words that are left out, so it is done where it can be stopped. Knows schemas;
 * no texts, no requests.
 */
import { RequestError } from "../errors.ts";
import { isRecord } from "../json-values.ts";
import { jsonPattern } from "./json-pattern.ts";

type Schema = Readonly<Record<string, unknown>>;

/** Words that forbid nothing. */
const notes = new Set(
  "$schema $comment title description default examples deprecated readOnly writeOnly".split(" "),
);
/** Where each holds schemas by their names. */
const definitions = ["$defs", "definitions"];
/** Each of them speaks for a whole schema: XGrammar reads the first that it finds, and nothing beside it. */
const kinds = ["$ref", "const", "enum", "anyOf", "oneOf", "allOf"];
const wordsOf = {
  object: (
    "properties required additionalProperties unevaluatedProperties patternProperties propertyNames minProperties " +
    "maxProperties"
  ).split(" "),
  array: "items prefixItems unevaluatedItems minItems maxItems".split(" "),
  string: "minLength maxLength pattern format".split(" "),
  number: "minimum maximum exclusiveMinimum exclusiveMaximum".split(" "),
} as const;
const formats = new Set(
  "date time date-time duration email hostname ipv4 ipv6 uri uri-reference uri-template uuid".split(
    " ",
  ),
);

/** Of brackets. */
const MAX_DEPTH = 64;
/** Whole numbers that are listed one by one: XGrammar's own ranges of four digits and more let others pass. */
const MAX_LISTED = 256;

/** Throws `RequestError` for what is not followed. */
export function enforcedSchema(schema: object): unknown {
  checkDepth(schema, MAX_DEPTH);
  return withDefinitions(enforced(schema, []));
}

/** Most words that are left out of one schema. */
const MAX_LEFT_OUT = 256;

/** The same for whoever asks for no more than what can be: words that are not followed are left out. */
export function looselyEnforcedSchema(schema: object): unknown {
  checkDepth(schema, MAX_DEPTH);
  const left = structuredClone(schema);
  for (let i = 0; ; i++)
    try {
      return withDefinitions(enforced(left, []));
    } catch (error) {
      if (!(error instanceof Unfollowed) || error.path.length === 0 || i >= MAX_LEFT_OUT)
        throw error;
      let at = left as Record<string, unknown>;
      for (const name of error.path.slice(0, -1)) at = at[name] as Record<string, unknown>;
      delete at[error.path.at(-1)!];
    }
}

/** Values of which one is meant. Written as they are, XGrammar merges what they have in common, and lets others pass. */
const LISTED: unique symbol = Symbol("listed");

/** Each listed value, and each of several schemas, as a definition, to which XGrammar keeps. */
function withDefinitions(schema: unknown): unknown {
  const names = new Map<string, string>();
  const defined: Record<string, unknown> = {};
  const referred = (one: unknown): unknown => {
    if (!isRecord(one) || one["$ref"] !== undefined) return one;
    const text = JSON.stringify(one);
    const name = names.get(text) ?? `alternative ${names.size}`;
    names.set(text, name);
    defined[name] = one;
    return { $ref: `#/$defs/${name}` };
  };
  const walk = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(walk);
    if (!isRecord(value)) return value;
    const listed = (value as { readonly [LISTED]?: readonly unknown[] })[LISTED];
    if (listed !== undefined) return { anyOf: listed.map((one) => referred({ const: one })) };
    return Object.fromEntries(
      Object.entries(value).map(([name, one]) => {
        const within = walk(one);
        const isChoice = (name === "anyOf" || name === "oneOf") && Array.isArray(within);
        return [name, isChoice ? within.map(referred) : within];
      }),
    );
  };
  const walked = walk(schema);
  if (!isRecord(walked) || names.size === 0) return walked;
  return { ...walked, $defs: { ...(walked["$defs"] as object | undefined), ...defined } };
}

function checkDepth(value: unknown, left: number): void {
  if (typeof value !== "object" || value === null) return;
  if (left === 0) throw new RequestError(`the schema is nested deeper than ${MAX_DEPTH}`);
  for (const one of Object.values(value)) checkDepth(one, left - 1);
}

type Path = readonly string[];

class Unfollowed extends RequestError {
  /** Of the word that is not followed. */
  readonly path: Path;

  constructor(path: Path, why: string) {
    super(`${path.length === 0 ? "the schema" : path.join(".")}: ${why}`);
    this.path = path;
  }
}

function refused(path: Path, why: string): Unfollowed {
  return new Unfollowed(path, why);
}

function enforced(schema: unknown, path: Path): unknown {
  if (!isRecord(schema)) return schema;
  const words = Object.keys(schema).filter((word) => !notes.has(word));
  const said = words.filter(
    (word) => !definitions.includes(word) && !(word === "$id" && path.length === 0),
  );
  const known: string[] = [...kinds, "type", ...Object.values(wordsOf).flat()];
  for (const word of said) {
    const isEmpty = word === "uniqueItems" && schema[word] === false;
    if (!known.includes(word) && !isEmpty)
      throw refused([...path, word], "is not followed by this server; leave it out");
  }
  const named = Object.fromEntries(
    definitions
      .filter((word) => isRecord(schema[word]))
      .map((word) => [word, eachOf(schema[word] as Schema, [...path, word])]),
  );
  const [kind] = kinds.filter((word) => said.includes(word));
  return {
    ...(kind === undefined ? typed(schema, path) : whole(kind, { schema, said, path })),
    ...named,
  };
}

function eachOf(schemas: Schema, path: Path): Schema {
  return Object.fromEntries(
    Object.entries(schemas).map(([name, one]) => [name, enforced(one, [...path, name])]),
  );
}

/** A schema that one word speaks for. */
function whole(
  kind: string,
  { schema, said, path }: { schema: Schema; said: readonly string[]; path: Path },
): Schema {
  const value = schema[kind];
  const at = [...path, kind];
  const isListed = kind === "enum" || kind === "const";
  const beside = said.find((word) => word !== kind && !(isListed && word === "type"));
  if (beside !== undefined)
    throw refused([...path, beside], `is not followed beside ${kind}; leave one out`);
  if (isListed) {
    const types = [schema["type"] ?? []].flat();
    for (const one of kind === "const" ? [value] : [value].flat())
      if (types.length > 0 && !types.some((type) => isOfType(one, type)))
        throw refused(at, `${JSON.stringify(one)} is not of the type beside it; leave it out`);
    if (kind === "enum" && !(Array.isArray(value) && value.length > 0))
      throw refused(at, "expected a list of values");
    return { [LISTED]: kind === "const" ? [value] : value };
  }
  if (kind === "$ref") {
    if (typeof value !== "string" || !/^#(?:$|\/)/.test(value))
      throw refused(
        at,
        `${JSON.stringify(value)} lies elsewhere; only "#/…" of this schema is read`,
      );
    return { $ref: value };
  }
  if (!Array.isArray(value)) throw refused(at, "expected a list of schemas");
  if (kind === "allOf" && value.length !== 1)
    throw refused(at, `${value.length} schemas are not followed together; write them as one`);
  if (kind === "oneOf" && !areApart(value))
    throw refused(at, "the schemas are not of different types, so that two could hold; use anyOf");
  return { [kind]: value.map((one, i) => enforced(one, [...at, `${i}`])) };
}

function isOfType(value: unknown, type: unknown): boolean {
  if (value === null) return type === "null";
  if (Array.isArray(value)) return type === "array";
  if (type === "integer") return Number.isInteger(value);
  return typeof value === type;
}

/** Whether no value is of two of these, by their types alone. */
function areApart(schemas: readonly unknown[]): boolean {
  const types = schemas.flatMap((one) => {
    const type = isRecord(one) ? one["type"] : undefined;
    return (type === undefined ? ["any"] : [type].flat()).map((name) =>
      name === "integer" ? "number" : name,
    );
  });
  return !types.includes("any") && new Set(types).size === types.length;
}

/** A schema by types, whose words each are of one of them. */
function typed(schema: Schema, path: Path): Schema {
  const given = schema["type"];
  const types = given === undefined ? [] : [given].flat();
  if (given !== undefined && types.length === 0) throw refused([...path, "type"], "names no type");
  const has = (word: string): boolean => schema[word] !== undefined;
  if (types.length === 0 && ![...wordsOf.object, ...wordsOf.array].some(has))
    for (const word of [...wordsOf.string, ...wordsOf.number])
      if (has(word)) throw refused([...path, word], 'is followed only beside its "type"');
  const { uniqueItems: _, ...words } = schema;
  const parts: Schema = { ...words, ...objectWords(schema, path), ...arrayWords(schema, path) };
  const texts = types.includes("string") ? stringWords(schema, path) : {};
  if (types.includes("number") && wordsOf.number.some(has))
    throw refused(
      [...path, wordsOf.number.find(has)!],
      "bounds are followed for whole numbers alone (type integer); leave them out",
    );
  if (!types.includes("integer") || !wordsOf.number.some(has)) return { ...parts, ...texts };
  const others = types.filter((type) => type !== "integer");
  const bounded = integers(schema, path);
  if (others.length === 0) return { anyOf: bounded };
  const rest = Object.fromEntries(
    Object.entries({ ...parts, ...texts }).filter(
      ([word]) => !(wordsOf.number as readonly string[]).includes(word),
    ),
  );
  return { anyOf: [{ ...rest, type: others }, ...bounded] };
}

function objectWords(schema: Schema, path: Path): Schema {
  const { properties, required } = schema;
  const changed: Record<string, unknown> = {};
  if (isRecord(properties)) {
    changed["properties"] = eachOf(properties, [...path, "properties"]);
    for (const name of Object.keys(properties))
      // XGrammar writes such names as they are.
      if (/["\\\p{Cc}]/u.test(name))
        throw refused([...path, "properties"], `the name ${JSON.stringify(name)} is not followed`);
  }
  for (const name of Array.isArray(required) ? required : [])
    if (!isRecord(properties) || !Object.hasOwn(properties, name as string))
      throw refused([...path, "required"], `${JSON.stringify(name)} is none of the properties`);
  const open = [
    "additionalProperties",
    "unevaluatedProperties",
    "patternProperties",
    "propertyNames",
  ].filter((word) => schema[word] !== undefined && schema[word] !== false);
  const isNamed = isRecord(properties) && Object.keys(properties).length > 0;
  if (open.length > 1 || (open.length === 1 && isNamed))
    throw refused(
      [...path, open.at(-1)!],
      `is not followed beside ${open.length > 1 ? open[0] : "properties, whose names it could take"}; leave one out`,
    );
  for (const word of ["additionalProperties", "unevaluatedProperties"])
    if (schema[word] !== undefined) changed[word] = enforced(schema[word], [...path, word]);
  const { patternProperties: patterns, propertyNames: names } = schema;
  if (isRecord(patterns)) {
    const at = [...path, "patternProperties"];
    const all = Object.entries(patterns);
    if (all.length > 1) throw refused(at, "more than one pattern is not followed");
    changed["patternProperties"] = Object.fromEntries(
      all.map(([pattern, one]) => [patternAt(pattern, at), enforced(one, [...at, pattern])]),
    );
  }
  if (isRecord(names)) {
    const at = [...path, "propertyNames"];
    const given = enforced({ type: "string", ...names }, at) as Schema;
    // Here XGrammar reads no definitions.
    if (kinds.some((word) => Object.hasOwn(given, word)) || LISTED in given)
      throw refused(at, "is followed as a pattern, a format or a length alone");
    changed["propertyNames"] = given;
  }
  return changed;
}

function arrayWords(schema: Schema, path: Path): Schema {
  const { items, prefixItems, unevaluatedItems } = schema;
  if (unevaluatedItems !== undefined && items !== undefined)
    throw refused([...path, "unevaluatedItems"], "is not followed beside items; leave it out");
  return {
    ...(items !== undefined && { items: enforced(items, [...path, "items"]) }),
    ...(unevaluatedItems !== undefined && {
      unevaluatedItems: enforced(unevaluatedItems, [...path, "unevaluatedItems"]),
    }),
    ...(Array.isArray(prefixItems) && {
      prefixItems: prefixItems.map((one, i) => enforced(one, [...path, "prefixItems", `${i}`])),
    }),
  };
}

function stringWords(schema: Schema, path: Path): Schema {
  const { pattern, format } = schema;
  const [first, second] = ["pattern", "format", "minLength", "maxLength"].filter(
    (word) => schema[word] !== undefined,
  );
  if (second !== undefined && first !== "minLength")
    throw refused([...path, second], `is not followed beside ${first}; leave one out`);
  if (format !== undefined && !formats.has(format as string))
    throw refused(
      [...path, "format"],
      `${JSON.stringify(format)} is not followed; those that are: ${[...formats].join(", ")}`,
    );
  return typeof pattern === "string" ? { pattern: patternAt(pattern, [...path, "pattern"]) } : {};
}

function patternAt(pattern: string, path: Path): string {
  try {
    return jsonPattern(pattern);
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    throw refused(path, `${JSON.stringify(pattern)}: ${error.message}`);
  }
}

/** Schemas of the whole numbers within the bounds. */
function integers(schema: Schema, path: Path): Schema[] {
  const bound = (word: string): number | undefined => {
    const value = schema[word];
    if (value === undefined || Number.isSafeInteger(value)) return value as number | undefined;
    throw refused(
      [...path, word],
      `expected a whole number below 2^53, got ${JSON.stringify(value)}`,
    );
  };
  const above = bound("exclusiveMinimum");
  const below = bound("exclusiveMaximum");
  const least = Math.max(
    bound("minimum") ?? -Infinity,
    above === undefined ? -Infinity : above + 1,
  );
  const most = Math.min(bound("maximum") ?? Infinity, below === undefined ? Infinity : below - 1);
  if (least > most) throw refused(path, `no whole number is between ${least} and ${most}`);
  // Ranges that XGrammar gets right: all numbers of so many digits and more, and all below 0.
  const begin = most === Infinity ? powerOfTen(least) : most + 1;
  const end = least > -Infinity ? least - 1 : most < -1 ? -Infinity : -1;
  const count = begin - end - 1;
  if (count > MAX_LISTED)
    throw refused(
      [...path, wordsOf.number.find((word) => schema[word] !== undefined)!],
      `${count === Infinity ? "all" : count} whole numbers within its bounds are not followed; at most ${MAX_LISTED} are, or all from one of them on`,
    );
  return [
    ...(count > 0 ? [{ [LISTED]: Array.from({ length: count }, (_, i) => end + 1 + i) }] : []),
    ...(most === Infinity ? [{ type: "integer", minimum: begin }] : []),
    ...(least === -Infinity ? [{ type: "integer", maximum: end }] : []),
  ];
}

/** The least from 10 that is not below `least`. */
function powerOfTen(least: number): number {
  let power = 10;
  while (power < least) power *= 10;
  return power;
}
