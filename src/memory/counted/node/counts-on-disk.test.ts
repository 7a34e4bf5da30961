import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import * as fc from "fast-check";
import { FormatError, InvalidConfigError } from "../../../errors.ts";
import { type CountedText, type PlaceRange, sortByContext } from "../context-order.ts";
import { buildCountedTable } from "../counted-table.ts";
import { ngramsOf } from "../ordered-ngrams.ts";
import { mergeNgramFiles, NgramFile, writeNgramFile } from "./ngram-file.ts";
import { NgramRuns } from "./ngram-runs.ts";
import { buildTableOnDisk } from "./rows-on-disk.ts";

const vocabSize = 7;
const tokenizer = new Uint8Array(32).fill(3);
const directory = await mkdtemp(join(tmpdir(), "engram-counts-"));
after(() => rm(directory, { recursive: true }));
let numPaths = 0;
const freshPath = (): string => join(directory, String(numPaths++));

type Documents = readonly (readonly number[])[];

const documentsOf = fc.array(fc.array(fc.nat(vocabSize - 1), { minLength: 1, maxLength: 30 }), {
  minLength: 1,
  maxLength: 8,
});
const orders = fc.integer({ min: 2, max: 6 });

function textOf(documents: Documents): CountedText {
  const starts: number[] = [];
  let size = 0;
  for (const { length } of documents) {
    starts.push(size);
    size += length;
  }
  return { tokens: Uint16Array.from(documents.flat()), starts: Uint32Array.from(starts) };
}

/** A file of counts that was made in one piece. */
async function fileOf(documents: Documents, order: number, except?: PlaceRange): Promise<string> {
  const sorted = sortByContext(textOf(documents), { order, vocabSize });
  const path = freshPath();
  await writeNgramFile(path, ngramsOf(sorted, except), { kind: { order, vocabSize, tokenizer } });
  return path;
}

const plus = (path: string) => ({ path, sign: 1 as const });
const minus = (path: string) => ({ path, sign: -1 as const });

async function merged(files: Parameters<typeof mergeNgramFiles>[1]): Promise<Buffer> {
  const path = freshPath();
  await mergeNgramFiles(path, files);
  return readFile(path);
}

interface Table {
  readonly bytes: Uint8Array;
  readonly directory: object;
}

async function tableOf(path: string, maxBytes = 0): Promise<Table> {
  using file = new NgramFile(path);
  await using table = await buildTableOnDisk(file.ngrams(), {
    kind: file.header,
    scratch: freshPath(),
    maxBytes,
    regionBytes: 100,
  });
  const chunks: Uint8Array[] = [];
  for await (const chunk of table.chunks()) chunks.push(chunk);
  return {
    bytes: Uint8Array.from(chunks.flatMap((chunk) => [...chunk])),
    directory: table.directory,
  };
}

function tableInRamOf(
  documents: Documents,
  order: number,
  options: { except?: PlaceRange; prune?: { bytes: number } } = {},
): Table {
  const sorted = sortByContext(textOf(documents), { order, vocabSize });
  const { bytes, ...rest } = buildCountedTable(sorted, { vocabSize, ...options });
  const { discounts, unigrams, offsets } = rest;
  return { bytes, directory: { order, vocabSize, discounts, unigrams, offsets } };
}

/** Writes all that was counted as one file. */
async function written(runs: NgramRuns): Promise<string | undefined> {
  using counted = await runs.finish();
  if (counted === undefined) return undefined;
  const { ngrams, total } = counted;
  const path = freshPath();
  await writeNgramFile(path, ngrams, { kind: { order: ngrams.order, vocabSize, tokenizer } });
  using file = new NgramFile(path);
  assert.equal(total, file.header.total);
  return path;
}

/** Counts documents in a directory, as text whose characters are ids. */
async function count(
  runs: NgramRuns,
  documents: Documents,
  onEncode: (document: number) => void = () => undefined,
): Promise<string | undefined> {
  for (const [i, ids] of documents.entries())
    await runs.add(ids.join(" "), async () => {
      onEncode(i);
      return ids;
    });
  return written(runs);
}

test("counted a few tokens at a time, a text gives the bytes that it gives in one piece", async () => {
  await fc.assert(
    fc.asyncProperty(
      documentsOf,
      orders,
      fc.integer({ min: 12, max: 40 }),
      async (documents, order, runTokens) => {
        const options = { order, vocabSize, tokenizer, runTokens };
        const path = await count(await NgramRuns.open(freshPath(), options), documents);
        const whole = await fileOf(documents, order);
        assert.deepEqual(await readFile(path!), await readFile(whole));
        assert.deepEqual(await tableOf(path!), tableInRamOf(documents, order));
      },
    ),
    { numRuns: 25 },
  );
});

test("of pruned tables the same", async () => {
  const documents = Array.from({ length: 40 }, (_, i) =>
    Array.from({ length: 60 }, (__, j) => ((i * i + 1) * j * j + (j % (i + 2))) % vocabSize),
  );
  const path = await fileOf(documents, 4);
  for (const bytes of [600, 1500, 4000]) {
    const pruned = tableInRamOf(documents, 4, { prune: { bytes } });
    assert.deepEqual(await tableOf(path, bytes), pruned);
    assert.ok(pruned.bytes.length <= bytes);
  }
});

test("a count that broke off goes on behind its last run, and ends with the same bytes", async () => {
  await fc.assert(
    fc.asyncProperty(
      documentsOf,
      orders,
      fc.integer({ min: 12, max: 40 }),
      fc.array(fc.nat(8), { maxLength: 4 }),
      async (documents, order, runTokens, deaths) => {
        const at = freshPath();
        const options = { order, vocabSize, tokenizer, runTokens };
        for (const death of deaths)
          await count(await NgramRuns.open(at, options), documents, (document) => {
            if (document === death) throw new RangeError("killed");
          }).catch((error: unknown) => assert.ok(error instanceof RangeError));
        const path = await count(await NgramRuns.open(at, options), documents);
        assert.deepEqual(await readFile(path!), await readFile(await fileOf(documents, order)));
        // And again: what is in the runs is not counted twice, but for the one that the last of them ended in.
        const list = await readFile(join(at, "runs.json"), "utf8").catch(() => `{"documents":0}`);
        const { documents: done } = JSON.parse(list) as { documents: number };
        const again = await count(await NgramRuns.open(at, options), documents, (document) =>
          assert.ok(document >= done - 1, `document ${document} of ${done} was read again`),
        );
        assert.deepEqual(await readFile(again!), await readFile(path!));
      },
    ),
    { numRuns: 15 },
  );
});

test("many runs are merged on the way, each seldom", async () => {
  const documents = Array.from({ length: 300 }, (_, i) => [0, i % vocabSize, (i * i) % vocabSize]);
  const at = freshPath();
  const runs = await NgramRuns.open(at, { order: 3, vocabSize, tokenizer, runTokens: 12 });
  let most = 0;
  for (const ids of documents) {
    await runs.add(ids.join(" "), async () => ids);
    most = Math.max(most, (await readdir(at)).length);
  }
  const path = await written(runs);
  assert.ok(most <= 34, `${most} files`);
  assert.deepEqual(await readFile(path!), await readFile(await fileOf(documents, 3)));
});

test("another text, or counts of others, are not added to a count that broke off", async () => {
  const documents = [
    [0, 1, 2, 3, 4, 5],
    [0, 4, 5],
    [0, 6, 1],
  ];
  const at = freshPath();
  // The last document ends the run.
  const options = { order: 3, vocabSize, tokenizer, runTokens: 12 };
  await count(await NgramRuns.open(at, options), documents);
  const other = [documents[0]!, [0, 4, 4], documents[2]!];
  for (const text of [other, documents.slice(1), documents.slice(0, 2)])
    await assert.rejects(count(await NgramRuns.open(at, options), text), InvalidConfigError);
  await assert.rejects(NgramRuns.open(at, { ...options, order: 4 }), InvalidConfigError);
  await assert.rejects(
    NgramRuns.open(at, { ...options, tokenizer: new Uint8Array(32) }),
    InvalidConfigError,
  );
  await writeFile(join(at, "runs.json"), `{"runs":["../../elsewhere"]}`);
  await assert.rejects(NgramRuns.open(at, options), FormatError);
});

test("counts of two texts add up to those of both, and taken off leave the other's, to the byte", async () => {
  await fc.assert(
    fc.asyncProperty(documentsOf, documentsOf, orders, async (a, b, order) => {
      const [ofA, ofB] = [await fileOf(a, order), await fileOf(b, order)];
      const both = await fileOf([...a, ...b], order);
      assert.deepEqual(await merged([plus(ofA), plus(ofB)]), await readFile(both));
      assert.deepEqual(await merged([plus(both), minus(ofB)]), await readFile(ofA));
      assert.deepEqual(await merged([minus(ofA), plus(both)]), await readFile(ofB));
      const path = freshPath();
      await mergeNgramFiles(path, [plus(ofA), plus(ofB)]);
      assert.deepEqual(await tableOf(path), tableInRamOf([...a, ...b], order));
    }),
    { numRuns: 15 },
  );
});

test("counts of many blocks add up as those of one", async () => {
  let state = 1;
  const random = (): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 16) % vocabSize;
  };
  const text = (): Documents => [Array.from({ length: 100_000 }, random)];
  const [a, b] = [text(), text()];
  const [ofA, ofB] = [await fileOf(a, 8), await fileOf(b, 8)];
  const both = await merged([plus(ofA), plus(ofB)]);
  assert.ok(both.length > 2 ** 19);
  assert.deepEqual(both, await readFile(await fileOf([...a, ...b], 8)));
});

test("counts without a fold are those of the text less those of the fold", async () => {
  await fc.assert(
    fc.asyncProperty(
      documentsOf,
      orders,
      fc.nat(200),
      fc.nat(200),
      async (documents, order, x, y) => {
        const { length } = documents.flat();
        const [from, to] = [x % (length + 1), y % (length + 1)].toSorted((p, q) => p - q) as [
          number,
          number,
        ];
        const whole = await fileOf(documents, order);
        const before = await fileOf(documents, order, { from, to: length });
        const behind = await fileOf(documents, order, { from: 0, to });
        const path = freshPath();
        // The fold is the text less what is before it and what is behind it.
        const fold = freshPath();
        await mergeNgramFiles(fold, [plus(whole), minus(before), minus(behind)]);
        await mergeNgramFiles(path, [plus(whole), minus(fold)]);
        assert.deepEqual(
          await tableOf(path),
          tableInRamOf(documents, order, { except: { from, to } }),
        );
      },
    ),
    { numRuns: 15 },
  );
});

test("what was not added cannot be taken off, and counts of other n-grams or tokenizers are not added", async () => {
  const one = await fileOf([[0, 1, 2, 3]], 3);
  const more = await fileOf(
    [
      [0, 1, 2, 3],
      [0, 1, 2, 3],
    ],
    3,
  );
  for (const files of [
    [plus(one), minus(more)],
    [plus(one), minus(await fileOf([[0, 4, 2]], 3))],
    [plus(one), plus(await fileOf([[0, 1, 2, 3]], 4))],
  ]) {
    const path = freshPath();
    await assert.rejects(mergeNgramFiles(path, files), InvalidConfigError);
    assert.ok(!(await readdir(directory)).includes(path.split("/").at(-1)!), "no file is left");
  }
  const other = freshPath();
  const sorted = sortByContext(textOf([[0, 1, 2]]), { order: 3, vocabSize });
  const kind = { order: 3, vocabSize, tokenizer: new Uint8Array(32) };
  await writeNgramFile(other, ngramsOf(sorted), { kind });
  await assert.rejects(mergeNgramFiles(freshPath(), [plus(one), plus(other)]), InvalidConfigError);
});

test("what is stopped leaves neither half a file nor scratch files", async () => {
  const at = freshPath();
  const signal = AbortSignal.abort();
  const isAbort = { name: "AbortError" };
  const runs = await NgramRuns.open(at, { order: 3, vocabSize, tokenizer, signal });
  await assert.rejects(count(runs, [[0, 1, 2, 3]]), isAbort);
  const path = await fileOf([[0, 1, 2, 3]], 3);
  await assert.rejects(mergeNgramFiles(join(at, "merged"), [plus(path)], { signal }), isAbort);
  using file = new NgramFile(path);
  const scratch = join(at, "table");
  await assert.rejects(
    buildTableOnDisk(file.ngrams(), { kind: file.header, scratch, signal }),
    isAbort,
  );
  assert.deepEqual(await readdir(at), []);
});

test("a damaged file of counts is refused, whichever byte is another or missing", async () => {
  const path = await fileOf(
    [
      [0, 1, 2, 3, 1, 2, 4],
      [0, 1, 2, 2, 2],
    ],
    4,
  );
  const whole = await readFile(path);
  const readAll = (): void => {
    using file = new NgramFile(path);
    for (const ngrams = file.ngrams(); ngrams.next(););
  };
  readAll();
  for (let at = 0; at < whole.length; at++) {
    const bytes = Buffer.from(whole);
    bytes[at]! ^= 1 << (at % 8);
    await writeFile(path, bytes);
    assert.throws(readAll, FormatError, `byte ${at}`);
    await writeFile(path, whole.subarray(0, at));
    assert.throws(readAll, FormatError, `${at} bytes`);
  }
});

test("n-grams are the bytes of the example in docs/format.md", async () => {
  const format = await readFile(new URL("../../../../docs/format.md", import.meta.url), "utf8");
  const [, example] = /one document "1 5 7 9": `([0-9a-f ]+)`/.exec(format)!;
  const path = freshPath();
  const text = { tokens: Uint16Array.of(1, 5, 7, 9), starts: Uint32Array.of(0) };
  const sorted = sortByContext(text, { order: 3, vocabSize: 10 });
  await writeNgramFile(path, ngramsOf(sorted), { kind: { order: 3, vocabSize: 10, tokenizer } });
  const bytes = await readFile(path);
  assert.equal(bytes.subarray(128 + 8).toString("hex"), example!.replaceAll(" ", ""));
});
