/**
 * Schemas before the library that follows them. The truth is the language: texts that a schema allows and forbids by
 * JSON Schema 2020-12, byte for byte through XGrammar itself.
 */
import assert from "node:assert/strict";
import test from "node:test";
import { RequestError } from "../errors.ts";
import { Random } from "../numerics/index.ts";
import { spellBytes } from "../tokenizer/index.ts";
import { enforcedSchema, looselyEnforcedSchema } from "./enforced-schema.ts";
import { loadXgrammar } from "./node/load-xgrammar.ts";

const { load } = loadXgrammar();
const xgrammar = await load();
/** Every byte is a token, and one more ends a text. */
const END = 256;
const spelled = [...Array.from({ length: END }, (_, byte) => spellBytes(Uint8Array.of(byte))), ""];
const vocabulary = await xgrammar.TokenizerInfo.createTokenizerInfo(
  spelled,
  "byte_level",
  false,
  spelled.length,
  [END],
);
const compiler = await xgrammar.GrammarCompiler.createGrammarCompiler(vocabulary, false);

async function languageOf(schema: unknown): Promise<(text: string) => Promise<boolean>> {
  const text = JSON.stringify(schema);
  const grammar = await compiler.compileJSONSchema(text, true, undefined, undefined, true, 20);
  return async (wanted) => {
    const matcher = await xgrammar.GrammarMatcher.createGrammarMatcher(grammar);
    try {
      for (const byte of new TextEncoder().encode(wanted))
        if (!matcher.acceptToken(byte)) return false;
      const mask = await matcher.getNextTokenBitmask();
      return (mask[END >> 5]! & (1 << (END & 31))) !== 0;
    } finally {
      matcher.dispose();
    }
  };
}

type Case = readonly [schema: object, allowed: readonly unknown[], forbidden: readonly unknown[]];

const followed: readonly Case[] = [
  [{ type: "string", enum: ["a", "b"], title: "x" }, ["a"], ["c"]],
  [{ $ref: "#/$defs/a", $defs: { a: { type: "integer", description: "x" } } }, [1], ["x"]],
  [{ type: ["string", "null"], maxLength: 2 }, ["ab", null], ["abc"]],
  [{ type: ["string", "integer"], maxLength: 2, maximum: 5 }, ["ab", 5, -70], ["abc", 6]],
  [{ oneOf: [{ type: "string" }, { type: "integer" }] }, ["a", 1], [null]],
  [{ type: "object", properties: { a: {} }, required: ["a"] }, [{ a: [1] }], [{}]],
  [{ type: "object", additionalProperties: { type: "integer" } }, [{ z: 1 }], [{ z: "x" }]],
  [
    { type: "object", patternProperties: { "^a.$": { type: "null" } } },
    [{ ab: null }],
    [{ b: null }],
  ],
  [{ type: "object", propertyNames: { pattern: "^a+$" } }, [{ aa: 1 }], [{ b: 1 }]],
  [{ type: "array", prefixItems: [{ type: "integer", minimum: 5 }], items: false }, [[5]], [[4]]],
  [{ type: "string", format: "ipv4" }, ["1.2.3.4"], ["1.2.3.4.5"]],
  // Patterns. The library takes what stands in them for what stands between two quotes.
  [{ type: "string", pattern: "^[^x]+$" }, ["a\u00e9"], ["x", ""]],
  [{ type: "string", pattern: "\\S\\s\\d" }, ["a 1"], ["a1"]],
  [{ type: "string", pattern: "^[+-]?\\d{1,3}\\.\\d$" }, ["-1.5"], ["1.55"]],
];

for (const [schema, allowed, forbidden] of followed)
  test(`${JSON.stringify(schema)} is followed`, async () => {
    const isIn = await languageOf(enforcedSchema(schema));
    for (const value of allowed)
      assert.ok(await isIn(JSON.stringify(value)), JSON.stringify(value));
    for (const value of forbidden)
      assert.ok(!(await isIn(JSON.stringify(value))), JSON.stringify(value));
  });

test("no pattern allows what is no JSON", async () => {
  const texts = ['"a"b"', '"a\\"', '"a\nb"', '"""', '"\\"', '"\u0001"', '"a', 'b"', '"a" b"'];
  for (const pattern of [".*", "^[^a]+$", "\\S+", "\\W+", "\\D*", "[^\\d]*", "(.a?)*"]) {
    const isIn = await languageOf(enforcedSchema({ type: "string", pattern }));
    for (const text of texts) {
      const isJson = (() => {
        try {
          return typeof JSON.parse(text) === "string";
        } catch {
          return false;
        }
      })();
      if (!isJson) assert.ok(!(await isIn(text)), `${pattern} ${text}`);
    }
  }
});

test("of listed values no others come, whatever they have in common", async () => {
  const random = Random.fromSeed(7);
  const below = (n: number): number => Math.floor(random.uniform() * n);
  const word = (): string => Array.from({ length: 1 + below(4) }, () => "abcd"[below(4)]).join("");
  for (let i = 0; i < 20; i++) {
    const words = [...new Set(Array.from({ length: 2 + below(40) }, word))];
    const isIn = await languageOf(enforcedSchema({ type: "string", enum: words }));
    const split = await languageOf(enforcedSchema({ anyOf: words.map((one) => ({ const: one })) }));
    for (const one of [...words, ...Array.from({ length: 100 }, word)])
      for (const is of [isIn, split])
        assert.equal(await is(JSON.stringify(one)), words.includes(one), `${words} ${one}`);
  }
});

test("bounds of whole numbers are followed to the last of them, or refused", async () => {
  let refused = 0;
  for (const [least, most] of [
    [0, undefined],
    [1, undefined],
    [5, undefined],
    [18, undefined],
    [1000, undefined],
    [-7, undefined],
    [undefined, 5],
    [undefined, -1],
    [undefined, -118],
    [0, 150],
    [118, 150],
    [-118, 5],
    [-150, -120],
    [1234, 1300],
    [1, 65_535],
    [1234, undefined],
  ]) {
    const bounds = {
      ...(least !== undefined && { minimum: least }),
      ...(most !== undefined && { exclusiveMaximum: most + 1 }),
    };
    let schema: unknown;
    try {
      schema = enforcedSchema({ type: "integer", ...bounds });
    } catch (error) {
      assert.match(
        (error as Error).message,
        /^minimum: \d+ whole numbers within its bounds|^exclusiveMaximum: all whole/,
      );
      refused++;
      continue;
    }
    const isIn = await languageOf(schema);
    const around = [least, most, 0, 10, -10, 100, -100, 1000, -1000, 12_345, 1e15].flatMap((one) =>
      one === undefined ? [] : Array.from({ length: 23 }, (_, i) => one - 11 + i),
    );
    for (const value of around)
      assert.equal(
        await isIn(String(value)),
        value >= (least ?? -Infinity) && value <= (most ?? Infinity),
        `${JSON.stringify(bounds)} ${value}`,
      );
  }
  assert.equal(refused, 3);
});

const refusals: readonly (readonly [schema: object, message: RegExp])[] = [
  [{ $ref: "https://example.com/a.json" }, /^\$ref: "https:.* lies elsewhere/],
  [
    { properties: { a: { $ref: "other.json#/b" } } },
    /^properties\.a\.\$ref: "other\.json#\/b" lies/,
  ],
  [{ $ref: "#name", $defs: { a: { $anchor: "name" } } }, /^\$defs\.a\.\$anchor: is not followed/],
  [{ $ref: "#/$defs/a", maximum: 5, $defs: { a: {} } }, /^maximum: is not followed beside \$ref/],
  [{ $defs: { a: { $id: "http://x" } } }, /^\$defs\.a\.\$id/],
  [{ $dynamicRef: "#a" }, /^\$dynamicRef/],
  [{ allOf: [{ type: "integer" }, { maximum: 5 }] }, /^allOf: 2 schemas/],
  [{ allOf: [{ type: "integer" }], maximum: 5 }, /^maximum: .* beside allOf/],
  [{ anyOf: [{ type: "integer" }], type: "integer" }, /^type: .* beside anyOf/],
  [{ oneOf: [{ type: "integer" }, { type: "number" }] }, /^oneOf: .*use anyOf/],
  [{ oneOf: [{ $ref: "#" }, { type: "number" }] }, /^oneOf: .*use anyOf/],
  [{ not: { type: "integer" } }, /^not:/],
  [{ if: {}, else: {} }, /^if:/],
  [{ const: 1, enum: [1] }, /^enum: .*|^const: .*/],
  [{ type: "string", const: 3 }, /^const: 3 is not of the type beside it/],
  [{ type: "string", enum: ["a", 1] }, /^enum: 1 is not of the type/],
  [{ type: [] }, /^type: names no type/],
  [{ minimum: 5 }, /^minimum: is followed only beside its "type"/],
  [{ maxLength: 5 }, /^maxLength: is followed only/],
  [{ format: "date" }, /^format: is followed only/],
  [{ type: "number", minimum: 0, maximum: 1 }, /^minimum: bounds .* whole numbers alone/],
  [{ type: "integer", multipleOf: 5 }, /^multipleOf:/],
  [{ type: "integer", minimum: 5.5 }, /^minimum: expected a whole number/],
  [{ type: "integer", minimum: 5, maximum: 4 }, /no whole number is between 5 and 4/],
  [{ type: "integer", maximun: 5 }, /^maximun: is not followed/],
  [{ type: "string", pattern: "a", maxLength: 5 }, /^maxLength: .* beside pattern/],
  [{ type: "string", format: "ipv4", maxLength: 5 }, /^maxLength: .* beside format/],
  [{ type: "string", format: "json-pointer" }, /^format: "json-pointer" is not followed/],
  [{ type: "string", format: "frog" }, /^format: "frog" .*those that are: date/],
  [{ type: "string", contentEncoding: "base64" }, /^contentEncoding/],
  [{ type: "string", pattern: 'a".' }, /^pattern: .* in it is not followed/],
  [{ type: "string", pattern: "[!-~]" }, /^pattern: .*the range !-~ in it/],
  [{ type: "string", pattern: "[\\S]" }, /^pattern: /],
  [{ type: "string", pattern: "a\\nb" }, /^pattern: /],
  [{ type: "string", pattern: "a|b" }, /^pattern: .*alternatives are not followed/],
  [{ type: "object", propertyNames: { enum: ["a"] } }, /^propertyNames: /],
  [{ type: "string", pattern: "a^b" }, /^pattern: .*"\^" inside it/],
  [{ type: "array", uniqueItems: true }, /^uniqueItems/],
  [{ type: "array", contains: { const: 5 } }, /^contains/],
  [{ type: "array", items: { type: "array", uniqueItems: true } }, /^items\.uniqueItems/],
  [{ type: "object", required: ["a"] }, /^required: "a" is none of the properties/],
  [
    { type: "object", properties: { a: {} }, additionalProperties: true },
    /^additionalProperties: /,
  ],
  [{ type: "object", properties: { a: {} }, propertyNames: { maxLength: 2 } }, /^propertyNames: /],
  [{ type: "object", patternProperties: { a: {}, b: {} } }, /^patternProperties: more than one/],
  [{ type: "object", dependentRequired: { a: ["b"] } }, /^dependentRequired/],
  [{ type: "object", properties: { 'a"b': {} } }, /^properties: the name "a\\"b"/],
];

for (const [schema, message] of refusals)
  test(`${JSON.stringify(schema)} is refused by its word's name`, () => {
    assert.throws(
      () => enforcedSchema(schema),
      (error: unknown) => error instanceof RequestError && message.test(error.message),
      String(message),
    );
  });

test("who asks for no more than what can be loses the words that are not followed, and no others", () => {
  assert.deepEqual(
    looselyEnforcedSchema({
      type: "object",
      properties: {
        a: { type: "string", pattern: 'x".', maxLength: 5, format: "frog" },
        b: { type: "number", minimum: 0, title: "B" },
      },
      required: ["a", "c"],
      not: {},
    }),
    {
      type: "object",
      properties: { a: { type: "string" }, b: { type: "number", title: "B" } },
    },
  );
});

test("a schema as deep as a body may be is refused", () => {
  let deep: object = {};
  for (let i = 0; i < 5000; i++) deep = { items: deep };
  for (const way of [enforcedSchema, looselyEnforcedSchema])
    assert.throws(() => way(deep), /nested deeper than 64/);
});
