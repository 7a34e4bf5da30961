import assert from "node:assert/strict";
import test from "node:test";
import * as fc from "fast-check";
import { FormatError, InvalidConfigError } from "../../errors.ts";
import { indexCorpus } from "./corpus-ngrams.ts";
import { NGRAM_HEADER_BYTES } from "./ngram-bytes.ts";
import { readNgramBytes } from "./ngrams-in-memory.ts";
import { contextOf } from "./ordered-ngrams.ts";

type Documents = readonly (readonly number[])[];

/** Seven tokens, of which 1, 2 and 5 are one to the memory, and 3 and 6. */
const tokenMap = { map: Int32Array.of(0, 1, 1, 2, 3, 1, 2), compressedVocabSize: 4 };
const vocabSize = 7;
const base = { vocabSize, tokenMap, tokenizer: new Uint8Array(32).fill(9), name: "plays" };

const documentsOf = fc.array(fc.array(fc.nat(vocabSize - 1), { minLength: 1, maxLength: 40 }), {
  minLength: 1,
  maxLength: 6,
});
const orders = fc.integer({ min: 2, max: 4 });

function index(documents: Documents, options: Partial<Parameters<typeof indexCorpus>[1]>) {
  const starts: number[] = [];
  let size = 0;
  for (const { length } of documents) {
    starts.push(size);
    size += length;
  }
  const text = { tokens: Uint16Array.from(documents.flat()), starts: Uint32Array.from(starts) };
  return indexCorpus(text, { ...base, order: 3, ...options });
}

/** Every n-gram of compressed ids, with its count: the slow way. */
function counted(documents: Documents, order: number): Map<string, number> {
  const counts = new Map<string, number>();
  for (const ids of documents) {
    const compressed = ids.map((id) => tokenMap.map[id]!);
    for (let n = 2; n <= order; n++)
      for (let end = n; end <= ids.length; end++) {
        const key = compressed.slice(end - n, end).join(" ");
        counts.set(key, (counts.get(key) ?? 0) + 1);
      }
  }
  return counts;
}

/** The same, by an index: of each n-gram, the sum over those that end in it. */
function told(bytes: Uint8Array): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { ngrams } = readNgramBytes(bytes); ngrams.next();) {
    const ids = [ngrams.id, ...contextOf(ngrams)].map((id) => tokenMap.map[id]!);
    for (let n = 2; n <= ids.length; n++) {
      const key = ids.slice(0, n).toReversed().join(" ");
      counts.set(key, (counts.get(key) ?? 0) + ngrams.count);
    }
  }
  return counts;
}

test("an index has the exact count of every n-gram that the memory tells apart", async () => {
  await fc.assert(
    fc.asyncProperty(
      documentsOf,
      orders,
      fc.integer({ min: 3, max: 50 }),
      async (documents, order, runTokens) => {
        const bytes = await index(documents, { order, runTokens });
        assert.deepEqual(told(bytes), counted(documents, order));
        assert.deepEqual(readNgramBytes(bytes).header.corpus, {
          least: 1,
          tokens: documents.flat().length,
          name: "plays",
        });
      },
    ),
    { numRuns: 20 },
  );
});

test("where there is no room for all, what is listed is still exact, and nothing frequent is missing", async () => {
  await fc.assert(
    fc.asyncProperty(
      documentsOf,
      orders,
      fc.integer({ min: 0, max: 60 }),
      async (documents, order, room) => {
        const mostBytes = NGRAM_HEADER_BYTES + 8 + room;
        const bytes = await index(documents, { order, mostBytes });
        assert.ok(bytes.length <= mostBytes);
        const { least } = readNgramBytes(bytes).header.corpus!;
        const frequent = [...counted(documents, order)].filter(([, count]) => count >= least);
        const listed = [...told(bytes)].filter(([, count]) => count > 0);
        assert.deepEqual(new Map(listed), new Map(frequent));
      },
    ),
    { numRuns: 20 },
  );
});

test("an index that goes on from one of another text counts both", async () => {
  await fc.assert(
    fc.asyncProperty(documentsOf, documentsOf, async (one, other) => {
      const bytes = await index(other, { before: await index(one, {}), name: "poems" });
      assert.deepEqual(told(bytes), counted([...one, ...other], 3));
      assert.equal(readNgramBytes(bytes).header.corpus!.name, "plays and poems");
    }),
    { numRuns: 20 },
  );
  const many = Array.from({ length: 9 }, (_, i) => [i % 7, (i * i) % 7, 3, i % 5]);
  const pruned = await index(many, { mostBytes: 160 });
  assert.ok(readNgramBytes(pruned).header.corpus!.least > 1);
  // What was left out cannot be added to.
  assert.deepEqual(told(await index([[1, 2, 3]], { before: pruned })), counted([[1, 2, 3]], 3));
  const foreign = await index(many, { tokenizer: new Uint8Array(32) });
  await assert.rejects(index(many, { before: foreign }), InvalidConfigError);
});

test("of tokens that the memory cannot tell apart, the most frequent one stands for all", async () => {
  const bytes = await index([[0, 5, 4, 1, 5, 0, 2]], { order: 2 });
  const { ngrams } = readNgramBytes(bytes);
  while (ngrams.next())
    for (const id of [ngrams.id, ...contextOf(ngrams)]) assert.ok(![1, 2, 3].includes(id), `${id}`);
});

test("every damaged byte is refused, or says nothing else than the whole file did", async () => {
  const bytes = await index([[0, 1, 2, 3, 4, 5, 6, 1, 2, 4]], {});
  const whole = told(bytes);
  for (let at = 0; at < bytes.length; at++) {
    const damaged = bytes.slice();
    damaged[at]! ^= 1 << (at % 8);
    assert.throws(() => assert.deepEqual(told(damaged), whole), FormatError, `byte ${at}`);
    assert.throws(() => told(bytes.subarray(0, at)), FormatError, `${at} bytes`);
  }
});

test("a long name loses whole characters of its middle, and a stranger's says nothing to a terminal", async () => {
  const nameOf = async (name: string): Promise<string> =>
    readNgramBytes(await index([[1, 2]], { name })).header.corpus!.name;
  const files = "enwiki2015-train-core100.jsonl and 1 more";
  assert.equal(await nameOf(files), "enwiki2015-tr…jsonl and 1 more");
  // Two bytes each: 14 of them and three of the mark are 31 of the 32.
  assert.equal(await nameOf("ä".repeat(40)), `…${"ä".repeat(14)}`);
  assert.equal(await nameOf("a".repeat(32)), "a".repeat(32));
  assert.equal(await nameOf("a\u{1b}[2Jb"), "a?[2Jb");
});
