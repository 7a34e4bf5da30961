import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after } from "node:test";
import { randomModel, smallConfig, smallEngram } from "../../test/models/random-model.ts";
import { servedModel } from "../../test/models/served-model.ts";
import { InvalidConfigError } from "../errors.ts";
import { loadModel } from "../load-model.ts";
import { addressBatch, buildTokenMap, compressIds } from "../memory/index.ts";
import { saveModel } from "../save-model.ts";
import { ortBackend } from "../tensor/backends/onnx/node/index.ts";
import { parseTokenizerJson, toTokenizerJson, trainBpe } from "../tokenizer/index.ts";
import { MemoryInspector, TableTraffic } from "./index.ts";

const directory = await mkdtemp(join(tmpdir(), "engram-inspect-"));
after(() => rm(directory, { recursive: true, force: true }));

const backend = ortBackend({ threads: 2 });
const model = await servedModel();
after(() => model.close());
const memory = model.rows;
const text = "the cat sat on the mat and the Cat sat on THE mat again ";
const definition = await trainBpe([text.repeat(20)], { vocabSize: 280 });
const tokenizer = await parseTokenizerJson(toTokenizerJson(definition));
const { compressedVocabSize } = buildTokenMap(tokenizer);
const { vocabSize } = tokenizer;
const engram = { ...smallEngram, compressedVocabSize };
const saved = await randomModel(backend, { ...smallConfig, vocabSize, engram });
await saveModel(directory, {
  config: saved.config,
  params: saved.params,
  tokenizer: toTokenizerJson(definition),
  eosTokenId: tokenizer.eosTokenId!,
  tables: saved.memory!.tables,
});

async function opened(options: { tableMemory?: number } = {}) {
  const traffic = new TableTraffic();
  const watched = await loadModel(directory, { backend, wrapStore: traffic.watch, ...options });
  after(() => watched.close());
  return { watched, inspector: new MemoryInspector(watched.rows!, traffic) };
}

test("a table's buckets follow each other without a gap and are all of it", () => {
  const [table] = new MemoryInspector(memory!).tables();
  assert.equal(table!.buckets.length, 4);
  let next = 0;
  for (const { firstRow, rows } of table!.buckets) {
    assert.equal(firstRow, next);
    next += rows;
  }
  assert.equal(next, table!.rows);
  assert.deepEqual(
    table!.buckets.map(({ order, head }) => [order, head]),
    [
      [2, 0],
      [2, 1],
      [3, 0],
      [3, 1],
    ],
  );
});

for (const tier of ["memory", "file"])
  test(`reads are counted for each row as a session asked for it, with the table in ${tier}`, async () => {
    const { watched, inspector } = await opened(tier === "file" ? { tableMemory: 2 ** 16 } : {});
    const ids = await watched.tokenizer.encode("the cat sat on the mat");
    const { addressing, tokenMap } = watched.rows!;
    const expected = new Float64Array(inspector.tables()[0]!.rows);
    // One token at a time: each reads its rows once, and two columns never have a row in common.
    const [rows] = addressBatch(addressing, compressIds(tokenMap, ids), {
      sequenceLength: ids.length,
    });
    for (const row of rows!) expected[row]!++;
    const session = watched.createSession();
    for (const id of ids) await session.append([id]);
    const { rows: numRows } = inspector.tables()[0]!;
    const reads = inspector.reads(1, { from: 0, to: numRows, bins: numRows })!;
    assert.deepEqual([...reads], [...expected]);
    const [table] = inspector.tables();
    assert.deepEqual(
      table!.tiers.map(({ name }) => name),
      tier === "file" ? ["cache", "file"] : ["memory"],
    );
    const [outer, inner] = table!.tiers;
    assert.equal(outer!.reads, ids.length);
    assert.equal(outer!.rowsRead, rows!.length);
    const timed = outer!.readTimes.reduce((sum, { count }) => sum + count, 0);
    assert.equal(timed, ids.length);
    if (tier === "file") {
      const { hits, misses, joined, prefetchHits } = table!.cache!;
      assert.equal(hits + misses + joined + prefetchHits, rows!.length);
      assert.ok(hits > 0 && inner!.rowsRead < outer!.rowsRead, "repeats come from the cache");
    } else assert.equal(table!.cache, undefined);
  });

test("looking at the rows of a table leaves no trace in its cache, its counts or its times", async () => {
  const { inspector } = await opened({ tableMemory: 2 ** 16 });
  const before = inspector.tables();
  const { rows } = before[0]!;
  await inspector.rows(1, { from: 0, to: rows, bins: 10 });
  await inspector.fill(1);
  assert.deepEqual(inspector.tables(), before);
  assert.deepEqual([...inspector.reads(1, { from: 0, to: rows, bins: 1 })!], [0]);
});

test("a bucket's fill is counted over its own rows", async () => {
  const { watched, inspector } = await opened();
  const { store } = watched.rows!.tables[0]!;
  const { firstRow, rows } = inspector.tables()[0]!.buckets[2]!;
  assert.ok(store.write !== undefined, "a meter around a store that can be written can be written");
  const emptied = Uint32Array.from({ length: 20 }, (_, i) => firstRow + i);
  await store.write(emptied, new Uint8Array(20 * store.rowBytes));
  const fill = (await inspector.fill(1))[2]!;
  assert.deepEqual([fill.order, fill.head, fill.sampled, fill.nonZero], [3, 0, rows, rows - 20]);
  assert.ok(fill.ngrams > rows - 20, "more n-grams than rows they fell on");
});

test("n-grams of texts that were seen are those of the same texts looked at alone", async () => {
  const inspector = new MemoryInspector(memory!);
  const texts = await Promise.all(
    ["the cat sat", "on the mat and the Cat"].map((one) => model.tokenizer.encode(one)),
  );
  for (const ids of texts) inspector.see(ids);
  const pieces = texts.map((ids) => ({ ids, isContinued: false }));
  assert.deepEqual(inspector.collisions(), await inspector.collisionsOf(pieces));
  assert.ok(inspector.collisions().buckets.every(({ ngrams }) => ngrams > 5));
});

test("documents in one text that was seen are those of the same documents seen apart", async () => {
  const [together, apart] = [new MemoryInspector(memory!), new MemoryInspector(memory!)];
  const end = model.tokenizer.eosTokenId!;
  const texts = await Promise.all(
    ["the cat sat", "on the mat"].map(async (one) => [end, ...(await model.tokenizer.encode(one))]),
  );
  together.see(texts.flat(), { documentStart: end });
  for (const ids of texts) apart.see(ids);
  assert.deepEqual(together.collisions(), apart.collisions());
  const across = new MemoryInspector(memory!);
  across.see(texts.flat());
  assert.notDeepEqual(across.collisions(), apart.collisions());
});

test("a layer without a table is refused by name", async () => {
  const inspector = new MemoryInspector(memory!);
  await assert.rejects(inspector.rows(0, { from: 0, to: 1, bins: 1 }), InvalidConfigError);
  assert.throws(
    () => inspector.reads(7, { from: 0, to: 1, bins: 1 }),
    /layer 7 has no table; layers 1/,
  );
});
