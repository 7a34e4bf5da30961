import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { FormatError, InvalidConfigError, RequestError } from "../errors.ts";
import { trainBpe } from "./bpe-trainer.ts";
import { createTokenizer } from "./byte-level-tokenizer.ts";
import type { TokenizerDefinition } from "./definition.ts";
import { createLibraryTokenizer } from "./library.ts";
import { toTokenizerJson } from "./tokenizer-json-text.ts";

const TEXT = "The gate is shut; the gate was open, the gatekeeper gone. 日本語 café 🙂🙂 ";
const definition = await trainBpe([TEXT.repeat(2)], {
  vocabSize: 300,
  specialTokens: ["<|endoftext|>", "<|pad|>", "<|pad|>2"],
});
const tokenizer = await createTokenizer(definition);
const anyId = fc.integer({ min: 0, max: tokenizer.vocabSize - 1 });

function ids(text: string, allowSpecial?: boolean): number[] {
  return [...tokenizer.encode(text, allowSpecial === undefined ? {} : { allowSpecial })];
}

test("special tokens in the text are text unless allowed", () => {
  const end = tokenizer.eosTokenId ?? -1;
  assert.equal(end, 297);
  assert.ok(!ids("a<|endoftext|>b").includes(end));
  assert.deepEqual(ids("a<|endoftext|>b", true), [...ids("a"), end, ...ids("b")]);
  assert.deepEqual(ids("<|endoftext|>", true), [end]);
});

test("of special tokens that begin alike the longest is found", () => {
  assert.deepEqual(ids("<|pad|>2<|pad|>", true), [299, 298]);
});

test("a special token that is a whole piece is text unless allowed, even where pieces are looked up", async () => {
  const own = await createTokenizer({ ...definition, splits: [], ignoreMerges: true });
  assert.ok(!own.encode("<|pad|>").includes(298));
  assert.deepEqual([...own.encode("<|pad|>", { allowSpecial: true })], [298]);
});

test("added tokens that are not special are found always", async () => {
  const withName = await createTokenizer({
    ...definition,
    tokens: [...definition.tokens, "ENGRAM"],
    addedTokens: [...definition.addedTokens, { id: 300, text: "ENGRAM", special: false }],
  });
  assert.deepEqual([...withName.encode("xENGRAM<|pad|>")], [...ids("x"), 300, ...ids("<|pad|>")]);
});

test("long pieces merge as the library merges them", async () => {
  const onePiece: TokenizerDefinition = { ...definition, splits: [] };
  const whole = await createTokenizer(onePiece);
  const library = await createLibraryTokenizer(JSON.parse(toTokenizerJson(onePiece)));
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom(..."the gakpr🙂日"), minLength: 1, maxLength: 400 }),
      (text) => {
        const expected = library.encode(text, { add_special_tokens: false }).ids;
        assert.deepEqual([...whole.encode(text)], expected);
      },
    ),
  );
});

test("merges in a contradictory order come out as the library has them", async () => {
  // Random merges, so that a merge may make a pair whose merge ranks before it.
  const anyMerges = fc.array(fc.tuple(fc.nat(11), fc.nat(11)), { maxLength: 25 });
  await fc.assert(
    fc.asyncProperty(
      anyMerges,
      fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 150 }),
      async (picks, text) => {
        const tokens = definition.tokens.slice(0, 256);
        const parts = ["a", "b"];
        const merges: number[] = [];
        for (const [left, right] of picks) {
          const [first, second] = [
            parts[left % parts.length] ?? "",
            parts[right % parts.length] ?? "",
          ];
          if (first.length + second.length > 12 || tokens.includes(first + second)) continue;
          parts.push(first + second);
          tokens.push(first + second);
          merges.push(tokens.indexOf(first), tokens.indexOf(second));
        }
        // Reversed order of pairs: what is built from parts ranks before its parts.
        const reversed = merges.map(
          (_, i) => merges[merges.length - (i - (i % 2)) - 2 + (i % 2)] ?? -1,
        );
        const odd: TokenizerDefinition = {
          tokens,
          merges: Int32Array.from(reversed),
          splits: [],
          addedTokens: [],
        };
        if (text === "") return;
        const library = await createLibraryTokenizer(JSON.parse(toTokenizerJson(odd)));
        const expected = library.encode(text, { add_special_tokens: false }).ids;
        assert.deepEqual([...(await createTokenizer(odd)).encode(text)], expected);
      },
    ),
    { numRuns: 300 },
  );
});

test("encoding the same text again gives the same ids from memory", async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: "binary", maxLength: 60 }), async (text) => {
      const fresh = (await createTokenizer(definition)).encode(text);
      assert.deepEqual(tokenizer.encode(text), fresh);
      assert.deepEqual(tokenizer.encode(text), fresh);
    }),
    { numRuns: 50 },
  );
});

test("the memory of pieces survives being filled and emptied", async () => {
  const own = await createTokenizer(definition);
  const before = own.encode("the gatekeeper");
  for (let i = 0; i < 300; i++) {
    own.encode(
      Array.from({ length: 1000 }, (_, j) =>
        String.fromCodePoint(97 + (j % 26), 0x4e00 + i * 60 + (j % 60), 0x3400 + j),
      ).join(" "),
    );
  }
  assert.deepEqual(own.encode("the gatekeeper"), before);
});

test("lone surrogates are U+FFFD, as in every UTF-8 encoder", () => {
  assert.deepEqual(ids("\ud800x"), ids("\ufffdx"));
  const long = `${"z".repeat(20)}\ud800`;
  assert.deepEqual(ids(long), ids(long.toWellFormed()));
});

test("decode joins bytes and replaces what is not UTF-8, as TextDecoder does over all of them", () => {
  fc.assert(
    fc.property(fc.array(anyId, { maxLength: 60 }), (sequence) => {
      const bytes = sequence.flatMap((id) => [...tokenizer.tokenBytes(id)]);
      const expected = new TextDecoder("utf-8", { ignoreBOM: true }).decode(Uint8Array.from(bytes));
      assert.equal(tokenizer.decode(sequence), expected);
    }),
  );
});

test("streamed pieces join to the decoded whole and never split a character", () => {
  const bytesOnly = fc.integer({ min: 0, max: 255 });
  fc.assert(
    fc.property(
      fc.array(fc.oneof(anyId, bytesOnly), { maxLength: 80 }),
      fc.boolean(),
      (sequence, skipSpecial) => {
        const stream = tokenizer.stream({ skipSpecial });
        const parts = [...sequence.map((id) => stream.push(id)), stream.end()];
        assert.equal(parts.join(""), tokenizer.decode(sequence, { skipSpecial }));
        for (const part of parts) assert.ok(part.isWellFormed());
      },
    ),
    { numRuns: 500 },
  );
});

test("a streamed text comes out character by character, as soon as it is certain", async () => {
  const own = await createTokenizer({ ...definition, merges: new Int32Array(0) });
  const stream = own.stream();
  const parts = Array.from(own.encode("a語🙂"), (id) => stream.push(id));
  assert.deepEqual(parts, ["a", "", "", "語", "", "", "", "🙂"]);
  assert.equal(stream.end(), "");
});

test("a byte order mark stays in the text, whole or streamed", () => {
  const [text, stream] = ["\ufeffa\ufeff", tokenizer.stream()];
  assert.equal(tokenizer.decode(tokenizer.encode(text)), text);
  const parts = Array.from(tokenizer.encode(text), (id) => stream.push(id));
  assert.equal(parts.join("") + stream.end(), text);
});

test("a text cut inside a character ends with U+FFFD", async () => {
  const own = await createTokenizer({ ...definition, merges: new Int32Array(0) });
  const stream = own.stream();
  for (const id of own.encode("語").subarray(0, 2)) assert.equal(stream.push(id), "");
  assert.equal(stream.end(), "\ufffd");
});

test("special tokens decode to their text, or to nothing on request", () => {
  const sequence = [...ids("a"), 297, ...ids("b")];
  assert.equal(tokenizer.decode(sequence), "a<|endoftext|>b");
  assert.equal(tokenizer.decode(sequence, { skipSpecial: true }), "ab");
});

test("a token with a character outside the byte alphabet is its own text", async () => {
  const own = await createTokenizer({
    ...definition,
    tokens: [...definition.tokens, "<｜a▁b｜>"],
    addedTokens: [...definition.addedTokens, { id: 300, text: "<｜a▁b｜>", special: true }],
  });
  assert.equal(own.decode([300]), "<｜a▁b｜>");
  assert.equal(own.rawToken(300), "<｜a▁b｜>");
  assert.equal(own.rawToken(own.encode(" ")[0] ?? -1), "Ġ");
  assert.deepEqual([...own.tokenBytes(300)], [...Buffer.from("<｜a▁b｜>")]);
});

test("ids outside the vocabulary are refused with the range", () => {
  for (const id of [-1, 300, 1.5, Number.NaN, 2 ** 40]) {
    const refused = (error: unknown): boolean =>
      error instanceof RequestError && error.message.includes("0 to 299");
    assert.throws(() => tokenizer.decode([0, id]), refused);
    assert.throws(() => tokenizer.rawToken(id), refused);
    assert.throws(() => tokenizer.tokenBytes(id), refused);
    assert.throws(() => tokenizer.stream().push(id), refused);
  }
});

test("the end-of-document token can be named, and a name that is not there is none", async () => {
  assert.equal((await createTokenizer(definition, { eosToken: "<|pad|>" })).eosTokenId, 298);
  assert.equal((await createTokenizer({ ...definition, addedTokens: [] })).eosTokenId, undefined);
});

test("a vocabulary without patterns decodes, and says why it does not encode", async () => {
  const own = await createTokenizer({ ...definition, splits: undefined });
  assert.equal(own.decode(ids("the gate")), "the gate");
  assert.throws(() => own.encode("the gate"), InvalidConfigError);
});

test("a vocabulary of merges by id without all bytes is refused", async () => {
  const tokens = definition.tokens.map((token) => (token === "Ġ" ? "" : token));
  await assert.rejects(
    createTokenizer({ ...definition, tokens, merges: "by-id" }),
    (error) => error instanceof FormatError && error.message.includes("byte 32"),
  );
});
