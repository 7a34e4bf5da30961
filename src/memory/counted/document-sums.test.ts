import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { FormatError } from "../../errors.ts";
import { DocumentsOfNgrams, DocumentSums } from "./document-sums.ts";

const order = 3;

/** By comparing ids: the first document that has an n-gram, and whether another has it. */
function searched(documents: readonly (readonly number[])[], ngram: readonly number[]) {
  const having = documents.flatMap((ids, number) =>
    ids.some((_, at) => ngram.every((id, i) => ids[at + i] === id)) ? [number] : [],
  );
  return having.length === 0 ? undefined : { document: having[0]!, isOnly: having.length === 1 };
}

test("each n-gram has the first document that has it, as a search through all of them says", () => {
  const document = fc.array(fc.nat(4), { maxLength: 12 });
  fc.assert(
    fc.property(fc.array(document, { minLength: 1, maxLength: 6 }), (documents) => {
      const sums = new DocumentSums({ order, most: 1000 });
      for (const [number, ids] of documents.entries()) sums.add(ids, number);
      const of = new DocumentsOfNgrams(sums.finish(), { order, documents: documents.length });
      for (let n = 0; n < 125; n++) {
        const ngram = [n % 5, Math.floor(n / 5) % 5, Math.floor(n / 25)];
        assert.deepEqual(of.find([9, ...ngram], 3), searched(documents, ngram));
      }
      assert.equal(of.find([1, 1], 1), undefined);
    }),
    { numRuns: 50 },
  );
});

test("a list that is full keeps the same n-grams in whatever order they came, and says nothing of others", () => {
  const ids = Array.from({ length: 3000 }, (_, i) => (i * i * 31 + (i >> 4)) % 997);
  const part = (from: number, to: number): number[] => ids.slice(from, to);
  const full = new DocumentSums({ order, most: 100 });
  full.add(part(0, 3000), 7);
  const entries = full.finish();
  assert.ok(entries.length / 3 <= 100 && entries.length / 3 > 20, `${entries.length / 3}`);
  const other = new DocumentSums({ order, most: 100 });
  other.add(part(1500, 3000), 7);
  other.add(part(0, 1502), 7);
  assert.deepEqual(other.finish(), entries);
  const of = new DocumentsOfNgrams(entries, { order, documents: 8 });
  const found = ids.flatMap((_, at) => of.find(ids, at) ?? []);
  assert.ok(found.length >= entries.length / 3);
  assert.ok(found.every(({ document, isOnly }) => document === 7 && isOnly));
  const others = ids.map((id) => id + 1000);
  assert.ok(others.every((_, at) => of.find(others, at) === undefined));
});

test("a list out of its order, or of documents that are not there, is refused", () => {
  const sums = new DocumentSums({ order, most: 10 });
  sums.add([1, 2, 3, 4, 5], 1);
  const entries = sums.finish();
  assert.throws(() => new DocumentsOfNgrams(entries, { order, documents: 1 }), FormatError);
  const turned = Uint32Array.from([...entries.slice(3), ...entries.slice(0, 3)]);
  assert.throws(() => new DocumentsOfNgrams(turned, { order, documents: 2 }), FormatError);
  const twice = Uint32Array.from([...entries.slice(0, 3), ...entries.slice(0, 3)]);
  assert.throws(() => new DocumentsOfNgrams(twice, { order, documents: 2 }), FormatError);
});
