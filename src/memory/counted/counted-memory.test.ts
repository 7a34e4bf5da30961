import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import * as fc from "fast-check";
import { memoryConformance } from "../../../test/conformance/memory.ts";
import { FormatError } from "../../errors.ts";
import { Random } from "../../numerics/index.ts";
import { blocksPerPosition } from "./bucket-placement.ts";
import { type CountedText, sortByContext } from "./context-order.ts";
import { CountedMemory } from "./counted-memory.ts";
import { BLOCK_BYTES, buildCountedTable } from "./counted-table.ts";
import { CrossFittedCounts, tableInRam } from "./cross-fitted.ts";

const vocabSize = 7;
const layerId = 2;

function memoryOf(
  text: CountedText,
  {
    order = 4,
    vocab = vocabSize,
    discount,
  }: { order?: number; vocab?: number; discount?: number | undefined } = {},
): CountedMemory {
  const sorted = sortByContext(text, { order, vocabSize: vocab });
  const table = buildCountedTable(sorted, { vocabSize: vocab, discount });
  return new CountedMemory(tableInRam(table), { layerId });
}

function textOf(tokens: readonly number[], starts: readonly number[] = []): CountedText {
  return { tokens: Uint16Array.from(tokens), starts: Uint32Array.from(starts) };
}

const corpus = textOf(
  [0, 1, 2, 3, 1, 2, 4, 1, 2, 3, 5, 0, 1, 2, 3, 1, 1, 1, 0, 2, 3, 1, 2, 4, 4, 5, 1, 2, 3],
  [0, 11, 18],
);

memoryConformance("counted memory", async () => ({ memory: memoryOf(corpus), vocabSize }));

/**
 * Interpolated Kneser-Ney by the textbook: dictionaries of n-grams, recursion, nothing shared with the product. Where
 * a document starts before an n-gram, it is counted by places.
 */
class Textbook {
  readonly #counts: Map<string, number>[] = [];
  readonly #order: number;
  readonly #discount: number | undefined;

  constructor(
    documents: readonly (readonly number[])[],
    { order, discount }: { order: number; discount?: number | undefined },
  ) {
    this.#order = order;
    this.#discount = discount;
    const grams = (n: number): string[] =>
      documents.flatMap((ids) =>
        ids.slice(n - 1).flatMap((_, i) => (i + n > 1 ? [ids.slice(i, i + n).join(" ")] : [])),
      );
    for (let n = 1; n <= order; n++) {
      const counts = new Map<string, number>();
      const add = (gram: string): void => void counts.set(gram, (counts.get(gram) ?? 0) + 1);
      if (n === order) grams(n).forEach(add);
      else {
        for (const longer of new Set(grams(n + 1))) add(longer.split(" ").slice(1).join(" "));
        // N-grams that a document begins with stand behind nothing.
        for (const ids of documents) if (n > 1 && ids.length >= n) add(ids.slice(0, n).join(" "));
      }
      this.#counts[n] = counts;
    }
  }

  chance(context: readonly number[], id: number, n = this.#order): number {
    if (n === 0) return 1 / vocabSize;
    const key = context.slice(context.length - (n - 1));
    const below = this.chance(context, id, n - 1);
    const start = n > 1 ? `${key.join(" ")} ` : "";
    if (key.length < n - 1) return below;
    const row = [...this.#counts[n]!].filter(([gram]) => gram.startsWith(start) && (n > 1 || true));
    if (row.length === 0) return below;
    const all = [...this.#counts[n]!.values()];
    const [once, twice] = [1, 2].map((k) => all.filter((count) => count === k).length) as [
      number,
      number,
    ];
    const estimate = once + twice > 0 ? once / (once + 2 * twice) : 0.75;
    const discount = n === 1 ? estimate : (this.#discount ?? estimate);
    const total = row.reduce((sum, [, count]) => sum + count, 0);
    const count = this.#counts[n]!.get(`${start}${id}`) ?? 0;
    return Math.max(count - discount, 0) / total + (discount * row.length * below) / total;
  }
}

function documentsOf({ tokens, starts }: CountedText): number[][] {
  return [...starts].map((from, i) => [...tokens.subarray(from, starts[i + 1] ?? tokens.length)]);
}

function chancesAt(memory: CountedMemory, ids: readonly number[], id: number): number[] {
  const reader = memory.reader();
  const at = reader.address([{ ids, from: ids.length - 1, to: ids.length }]);
  const { width } = memory.inputs[0]!;
  const into = new Float32Array(memory.numDistributions);
  const lookUp = reader.lookUp(at, new Map([[layerId, new Float32Array(width)]]));
  assert.ok(lookUp.isDone);
  lookUp.distributions!.chances(0, id, into);
  return [...into];
}

test("chances are those of a Kneser-Ney by the textbook, of every order", () => {
  const documents = fc.array(
    fc.array(fc.integer({ min: 1, max: vocabSize - 1 }), { maxLength: 12 }),
    {
      minLength: 1,
      maxLength: 6,
    },
  );
  fc.assert(
    fc.property(
      documents,
      fc.array(fc.nat(vocabSize - 1), { minLength: 1, maxLength: 6 }),
      fc.integer({ min: 2, max: 5 }),
      fc.constantFrom(undefined, 0.5),
      (bodies, context, order, discount) => {
        const whole = bodies.map((body) => [0, ...body]);
        const starts: number[] = [];
        const tokens: number[] = [];
        for (const one of whole) {
          starts.push(tokens.length);
          tokens.push(...one);
        }
        const memory = memoryOf(textOf(tokens, starts), { order, discount });
        const textbook = new Textbook(documentsOf(textOf(tokens, starts)), { order, discount });
        for (let id = 0; id < vocabSize; id++) {
          const chances = chancesAt(memory, context, id);
          for (let n = 2; n <= order; n++) {
            const expected = textbook.chance(context, id, n);
            assert.ok(
              Math.abs(chances[n - 2]! - expected) < 1e-6,
              `${chances[n - 2]} ${expected} order ${n} id ${id}`,
            );
          }
        }
      },
    ),
    { numRuns: 60 },
  );
});

test("every distribution sums to one, and is what is added with its weight", () => {
  const memory = memoryOf(corpus);
  const count = memory.numDistributions;
  for (let length = 1; length < corpus.tokens.length; length++) {
    const ids = corpus.tokens.subarray(0, length);
    const reader = memory.reader();
    const at = reader.address([{ ids, from: length - 1, to: length }]);
    const { distributions } = reader.lookUp(at, new Map());
    const chances = new Float32Array(count);
    for (let order = 0; order < count; order++) {
      const probs = new Float32Array(vocabSize);
      distributions!.add(
        0,
        Array.from({ length: count }, (_, n) => (n === order ? 1 : 0)),
        probs,
      );
      assert.ok(Math.abs(probs.reduce((sum, p) => sum + p, 0) - 1) < 1e-6);
      for (const [id, p] of probs.entries()) {
        distributions!.chances(0, id, chances);
        assert.ok(Math.abs(chances[order]! - p) < 1e-6);
      }
    }
  }
});

test("evidence is how often a context was met, by how many ids it was followed, and how often by one", () => {
  const memory = memoryOf(textOf([0, 1, 2, 1, 2, 1, 3, 4], [0]), { order: 3 });
  const reader = memory.reader();
  const evidence = new Float32Array(2 * 6);
  const at = reader.address([{ ids: [3, 2, 1], from: 1, to: 3 }]);
  reader.lookUp(at, new Map([[layerId, evidence]]));
  const [one, two, three] = [1, 2, 3].map((total) => Math.log1p(total) / 2) as [
    number,
    number,
    number,
  ];
  const expected = [
    // Behind "2" stood 1, and before that one id; "3 2" was never met.
    [one, 1, 1, -1, 0, 0],
    // Behind "1" stood 2 with two ids before it, and 3 with one; behind "2 1" stood 2 once and 3 once.
    [three, 2 / 3, 2 / 3, two, 1, 0.5],
  ];
  assert.deepEqual([...evidence], [...Float32Array.from(expected.flat())]);
});

test("what is taken away reads as if it had never occurred, and nothing else changes", () => {
  const order = 4;
  const memory = memoryOf(corpus, { order });
  const evidenceAt = (of: CountedMemory, ids: readonly number[]): number[][] => {
    const reader = of.reader();
    const width = 3 * (order - 1);
    const into = new Float32Array(width);
    reader.lookUp(
      reader.address([{ ids, from: ids.length - 1, to: ids.length }]),
      new Map([[layerId, into]]),
    );
    return [0, 3, 6].map((at) => [...into.subarray(at, at + 3)]);
  };
  const never = [-1, 0, 0];
  const trigrams = memory.without({ counts: [3] });
  const nothing = memory.without({ counts: [2, 3, 4] });
  let numNamed = 0;
  for (let end = 4; end < corpus.tokens.length; end++) {
    const ids = [...corpus.tokens.subarray(0, end)];
    const named = memory.without({ contexts: [ids.slice(-2)] });
    const elsewhere = memory.without({ contexts: [[...ids.slice(-2), 0]] });
    const all = evidenceAt(memory, ids);
    assert.deepEqual(evidenceAt(trigrams, ids), [all[0], never, all[2]]);
    assert.deepEqual(evidenceAt(named, ids), [all[0], never, all[2]]);
    assert.deepEqual(evidenceAt(elsewhere, ids), all);
    assert.deepEqual(evidenceAt(nothing, ids), [never, never, never]);
    if (all[1]![0] !== -1) numNamed++;
    const sums = [0, 0, 0];
    for (let id = 0; id < vocabSize; id++) {
      const [two, three] = chancesAt(memory, ids, id);
      const without = chancesAt(trigrams, ids, id);
      assert.deepEqual(without.slice(0, 2), [two, two]);
      assert.deepEqual(chancesAt(named, ids, id), without);
      assert.deepEqual(chancesAt(elsewhere, ids, id), [two, three, chancesAt(memory, ids, id)[2]]);
      assert.deepEqual(chancesAt(nothing, ids, id), Array(3).fill(memory.unigrams[id]));
      for (const [n, p] of without.entries()) sums[n]! += p;
    }
    for (const sum of sums) assert.ok(Math.abs(sum - 1) < 1e-6);
  }
  assert.ok(numNamed > 3);
  assert.notEqual(memory.identity, trigrams.identity);
  for (const wrong of [{ counts: [1] }, { counts: [5] }, { contexts: [[]] }])
    assert.throws(() => memory.without(wrong), /to take away/);
  for (const ids of [[1, 2, 3, 4], [vocabSize], [-1]])
    assert.throws(() => memory.without({ contexts: [ids] }), /counts are kept behind 1..3 ids/);
});

test("counting in folds gives others a turn, and stops where they ask for it", async () => {
  const text = textOf([0, ...Array.from({ length: 40 }, (_, i) => 1 + ((i * i) % 5))], [0]);
  const controller = new AbortController();
  const { signal } = controller;
  const counting = CrossFittedCounts.of(text, { order: 3, vocabSize, folds: 4, layerId, signal });
  setImmediate(() => controller.abort(new Error("enough")));
  await assert.rejects(counting, /enough/);
});

test("a place of the training text is read from the other folds", async () => {
  const text = textOf([0, ...Array.from({ length: 40 }, (_, i) => 1 + ((i * i) % 5))], [0]);
  const folds = 4;
  const crossFitted = await CrossFittedCounts.of(text, { order: 3, vocabSize, folds, layerId });
  const { length } = text.tokens;
  const reader = crossFitted.trainingReader();
  const at = reader.address([{ ids: text.tokens, from: 0, to: length - 1, source: 0 }]);
  const { distributions } = reader.lookUp(at, new Map());
  const foldLength = Math.ceil(length / folds);
  for (let place = 1; place < length; place++) {
    const fold = Math.floor(place / foldLength);
    const sorted = sortByContext(text, { order: 3, vocabSize });
    const except = { from: fold * foldLength, to: (fold + 1) * foldLength };
    const others = new CountedMemory(
      tableInRam(buildCountedTable(sorted, { vocabSize, except, discount: 0.5 })),
      {
        layerId,
      },
    );
    const expected = chancesAt(others, [...text.tokens.subarray(0, place)], text.tokens[place]!);
    const found = new Float32Array(2);
    distributions!.chances(place - 1, text.tokens[place]!, found);
    assert.deepEqual([...found], expected, `place ${place}`);
  }
});

test("buckets that hold no rows are refused, whatever their bytes are", () => {
  const sorted = sortByContext(corpus, { order: 4, vocabSize });
  const table = buildCountedTable(sorted, { vocabSize });
  fc.assert(
    fc.property(fc.nat(table.bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const bytes = table.bytes.slice();
      bytes[at]! ^= flip;
      const memory = new CountedMemory(tableInRam({ ...table, bytes }), { layerId });
      for (let length = 1; length < 12; length++)
        try {
          const probs = new Float32Array(vocabSize);
          const reader = memory.reader();
          const ids = corpus.tokens.subarray(0, length);
          const address = reader.address([{ ids, from: length - 1, to: length }]);
          reader.lookUp(address, new Map()).distributions!.add(0, [0.2, 0.3, 0.5], probs);
          const sum = probs.reduce((all, p) => all + p, 0);
          assert.ok(Math.abs(sum - 1) < 1e-6, `chances sum to ${sum}`);
        } catch (error) {
          if (!(error instanceof FormatError)) throw error;
        }
    }),
    { numRuns: 300 },
  );
});

test("a row that says more different ids than it has counted is refused", () => {
  const table = buildCountedTable(sortByContext(corpus, { order: 4, vocabSize }), { vocabSize });
  const bytes = table.bytes.slice();
  // Behind the depth, an id of two bytes, the size, and how many are listed: the total, and how many are not listed.
  const id = table.offsets.findIndex((at, i) => i < vocabSize && (bytes[at]! & 128) === 0);
  const row = table.offsets[id]!;
  assert.equal(bytes[row], 1);
  bytes[row + 6] = bytes[row + 5]!;
  const reader = new CountedMemory(tableInRam({ ...table, bytes }), { layerId }).reader();
  const address = reader.address([{ ids: [id], from: 0, to: 1 }]);
  assert.throws(() => reader.lookUp(address, new Map()), FormatError);
});

test("a row lies where docs/format.md says, with the bytes of its example", async () => {
  const format = await readFile(new URL("../../../docs/format.md", import.meta.url), "utf8");
  const [, example] = /behind "5 7" came 9 twice and 4 once: `([0-9a-f ]+)`/.exec(format)!;
  const pairs = Array.from({ length: 25 }, (_, i) => [i % 5, Math.floor(i / 5), 1]);
  const documents = [[5, 7, 9], [5, 7, 9], [5, 7, 4], ...pairs];
  const text = textOf(
    documents.flat(),
    documents.map((_, i) => 3 * i),
  );
  const vocab = 10;
  const sorted = sortByContext(text, { order: 3, vocabSize: vocab });
  const { bytes, offsets } = buildCountedTable(sorted, { vocabSize: vocab });
  const numBuckets = BigInt(offsets.length - 1 - vocab);
  assert.ok(numBuckets > 1n);
  // The words of the document, in whole numbers cut to 32 bits.
  const word = (n: bigint): bigint => BigInt.asUintN(32, n);
  let h = 2n;
  for (const id of [7n, 5n]) {
    h = word((h ^ id) * 0x9e3779b1n);
    h ^= h >> 15n;
  }
  h = word(h * 0x85ebca6bn);
  const bucket = vocab + Number((h ^ (h >> 13n)) % numBuckets);
  const found = Buffer.from(bytes.subarray(offsets[bucket], offsets[bucket + 1])).toString("hex");
  assert.ok(found.includes(example!.replaceAll(" ", "")), found);
});

test("how many contexts and blocks there are is told well from the directory alone", () => {
  const random = Random.fromSeed(4, "words");
  const vocab = 50;
  // Some ids are far more frequent than others, and what follows depends on them.
  const next = (id: number): number => (id * 7 + Math.floor(12 * random.uniform() ** 3)) % vocab;
  const tokens: number[] = [1];
  while (tokens.length < 8000) tokens.push(next(tokens.at(-1)!));
  const memory = memoryOf(textOf(tokens, [0]), { vocab });
  const contexts = [1, 2, 3].flatMap((depth) =>
    tokens.slice(depth - 1, -1).map((_, at) => tokens.slice(at, at + depth).join()),
  );
  const ratio = memory.numContexts / new Set(contexts).size;
  assert.ok(ratio > 0.95 && ratio < 1.05, `${ratio}`);
  const reader = memory.reader();
  const { numRows } = reader.lookUp(
    reader.address([{ ids: tokens, from: 3, to: tokens.length }]),
    new Map(),
  );
  const found = blocksPerPosition(memory.table, BLOCK_BYTES) / (numRows / (tokens.length - 3));
  assert.ok(found > 0.6 && found < 1.5, `${found}`);
});
