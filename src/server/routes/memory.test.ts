import { promptIdsOf } from "../../prompt-ids.ts";
import assert from "node:assert/strict";
import test, { after } from "node:test";
import { smallEngram } from "../../../test/models/random-model.ts";
import { servedModel } from "../../../test/models/served-model.ts";
import { TableTraffic } from "../../inspect/index.ts";
import { Model } from "../../opened-model.ts";
import { compressIds, rowsForIds } from "../../memory/index.ts";
import { createServer, type EngramServer } from "../index.ts";

const plain = await servedModel();
const traffic = new TableTraffic();
const { tokenizer, language } = plain;
const memory = plain.rows!;
const watched = memory.withTables((table) => ({
  ...table,
  store: traffic.watch(table.store, { layerId: table.layerId, name: "memory", isOuter: true }),
}));
const model = new Model("models/served", {
  tokenizer,
  language: { ...language, memory: watched },
  ownsBackend: false,
});
const server = createServer(model, { traffic });
await server.ready;
const bare = createServer(await servedModel({ hasMemory: false }));
await bare.ready;
after(async () => {
  await server.close();
  await bare.close();
  await plain.close();
});

// oxlint-disable-next-line typescript/no-explicit-any -- tests look into documents of many shapes
async function ask(path: string, body?: object, to: EngramServer = server): Promise<any> {
  const response = await to.fetch(
    new Request(`http://engram${path}`, {
      ...(body !== undefined && { method: "POST", body: JSON.stringify(body) }),
    }),
  );
  return { status: response.status, ...((await response.json()) as object) };
}

/** The table read row by row, below everything that the server has put around it. */
async function norms(): Promise<number[]> {
  const { store, format } = memory.tables[0]!;
  const bytes = new Uint8Array(store.numRows * store.rowBytes);
  await store.read(
    Uint32Array.from({ length: store.numRows }, (_, row) => row),
    bytes,
  );
  const values = new Float32Array(bytes.buffer);
  return Array.from({ length: store.numRows }, (_, row) =>
    Math.hypot(...values.subarray(row * format.headDim, (row + 1) * format.headDim)),
  );
}

const { numRows } = memory.tables[0]!.store;

test("the tables come with their sizes, their buckets in order and their tiers", async () => {
  const { since, tables: found } = await ask("/engram/memory");
  assert.ok(since > 1.7e9 && since <= Date.now() / 1000);
  const [table] = found;
  assert.deepEqual(
    [table.layer, table.rows, table.row_bytes, table.bytes, table.format, table.head_dim],
    [1, numRows, 32, 32 * numRows, "f32", smallEngram.headDim],
  );
  assert.equal(
    table.buckets.reduce((sum: number, { rows }: { rows: number }) => sum + rows, 0),
    numRows,
  );
  assert.deepEqual([table.tiers[0].name, table.tiers[0].reads, table.cache], ["memory", 0, null]);
});

test("a map says of each bin what reading the table row by row says", async () => {
  const expected = await norms();
  const [from, to, bins] = [3, numRows - 2, 11];
  const map = await ask(`/engram/memory/rows?layer=1&from=${from}&to=${to}&bins=${bins}`);
  assert.equal(map.status, 200);
  for (let bin = 0; bin < bins; bin++) {
    const begin = Math.floor(from + (bin * (to - from)) / bins);
    const own = expected.slice(begin, Math.floor(from + ((bin + 1) * (to - from)) / bins));
    assert.equal(map.sampled[bin], own.length);
    assert.equal(map.non_zero[bin], own.length);
    const mean = own.reduce((a, b) => a + b) / own.length;
    assert.ok(Math.abs(map.mean_norm[bin] - mean) < 1e-6 * mean);
    assert.ok(Math.abs(map.max_norm[bin] - Math.max(...own)) < 1e-6 * mean);
  }
});

test("reads, tiers and collisions after a completion are those of its tokens", async () => {
  const prompt = "the cat sat on THE mat";
  const before = await ask("/engram/memory/collisions");
  assert.equal(before.tokens, 0);
  const { choices, usage } = await ask("/v1/completions", {
    prompt,
    max_tokens: 6,
    temperature: 0,
    ignore_eos: true,
    engram: { return: ["rows"] },
  });
  assert.equal(usage.completion_tokens, 6);
  const rows: number[] = choices[0].engram.rows["1"].flat();
  const { reads } = await ask(`/engram/memory/reads?layer=1&from=0&to=${numRows}&bins=${numRows}`);
  // A batch reads a row once, however often it needs it: the prompt is one batch, each token after it another.
  const promptRows = new Set(rows.slice(0, (await promptIdsOf(tokenizer, prompt)).length * 4));
  const expected = Array.from({ length: numRows }, () => 0);
  for (const row of promptRows) expected[row]!++;
  for (const row of rows.slice((await promptIdsOf(tokenizer, prompt)).length * 4)) expected[row]!++;
  assert.deepEqual(reads, expected);
  const { tables: found } = await ask("/engram/memory");
  const [tier] = found[0].tiers;
  const total = expected.reduce((a, b) => a + b);
  assert.deepEqual([tier.rows_read, tier.bytes_read], [total, 32 * total]);
  const timed = tier.histogram.reduce((sum: number, [, count]: number[]) => sum + count!, 0);
  assert.equal(timed, tier.reads);
  assert.ok(tier.milliseconds.p50 > 0 && tier.milliseconds.p50 <= tier.milliseconds.max);
  const seen = await ask("/engram/memory/collisions");
  assert.equal(seen.tokens, (await promptIdsOf(tokenizer, prompt)).length + 6);

  const off = { prompt: "mat mat", max_tokens: 2, engram: { enabled: false } };
  await ask("/v1/completions", off);
  assert.deepEqual(await ask("/engram/memory/collisions"), seen, "nothing was read for it");
});

test("collisions of a text are those of its n-grams spelled out", async () => {
  const texts = ["the cat sat on the mat ".repeat(40), "mat and the Cat"];
  const { status, tokens, full, buckets } = await ask("/engram/memory/collisions", { text: texts });
  assert.deepEqual([status, full], [200, false]);
  const takers = new Map<string, Set<string>>();
  let numTokens = 0;
  const { config } = memory.addressing.layout;
  for (const text of texts) {
    const ids = await promptIdsOf(tokenizer, text);
    numTokens += ids.length;
    const compressed = [...compressIds(memory.tokenMap, ids)];
    const { layers } = rowsForIds({
      config: { ...config, padTokenId: memory.addressing.pad },
      compressedIds: compressed,
    });
    for (const [t, rows] of layers["1"]!.entries())
      for (const [column, row] of rows.entries()) {
        const order = 2 + Math.floor(column / 2);
        const spelled = Array.from(
          { length: order },
          (_, i) => compressed[t - i] ?? memory.addressing.pad,
        );
        const key = `${column} ${row}`;
        takers.set(key, (takers.get(key) ?? new Set()).add(spelled.join(" ")));
      }
  }
  assert.equal(tokens, numTokens);
  for (const [column, bucket] of buckets.entries()) {
    const own = [...takers]
      .filter(([key]) => key.startsWith(`${column} `))
      .map(([, set]) => set.size);
    assert.deepEqual(
      [bucket.order, bucket.head, bucket.distinct_rows],
      [2 + Math.floor(column / 2), column % 2, own.length],
    );
    assert.equal(
      bucket.ngrams,
      own.reduce((a, b) => a + b),
    );
    assert.equal(
      bucket.shared_ngrams,
      own.filter((n) => n > 1).reduce((a, b) => a + b, 0),
    );
    const m = bucket.rows;
    const expected = m * (1 - (1 - 1 / m) ** bucket.ngrams);
    assert.ok(Math.abs(bucket.expected_distinct_rows - expected) < 1e-4);
  }
});

test("a long text is read in pieces, and none of its tokens is lost", async () => {
  const text = "the cat sat on the mat and ".repeat(3000);
  const { tokens } = await ask("/engram/memory/collisions", { text });
  assert.equal(tokens, (await promptIdsOf(tokenizer, text)).length);
  const unspaced = `a${"\u{1f600}".repeat(20_000)}`;
  const read = await ask("/engram/memory/collisions", { text: unspaced });
  assert.equal(read.tokens, (await promptIdsOf(tokenizer, unspaced)).length);
});

test("the fill of each bucket counts its rows that are not zero", async () => {
  const { tables: found } = await ask("/engram/memory/fill");
  assert.equal(found[0].buckets.length, 4);
  for (const bucket of found[0].buckets) {
    // Random rows are never zero: the bucket is as full as can be, by how many n-grams cannot be told.
    assert.equal(bucket.non_zero, bucket.sampled);
    assert.equal(bucket.estimated_ngrams, null);
    assert.ok(bucket.mean_norm > 0 && bucket.mean_norm <= bucket.max_norm);
  }
});

test("bins that cannot be are refused with the parameter that is wrong", async () => {
  for (const [query, param] of [
    ["from=0&to=5&bins=1", "layer"],
    ["layer=1&from=0&to=5&bins=99999", "bins"],
    ["layer=1&from=-1&to=5&bins=1", "from"],
    ["layer=1&from=0&to=5&bins=1&more=1", "more"],
    ["layer=1&from=0&to=5&bins=6", null],
    [`layer=1&from=0&to=${numRows + 1}&bins=1`, null],
    ["layer=2&from=0&to=5&bins=1", null],
  ] as const)
    for (const route of ["rows", "reads"]) {
      const { status, error } = await ask(`/engram/memory/${route}?${query}`);
      assert.equal(status, 400, query);
      assert.equal(error.param, param, query);
    }
  for (const body of [{}, { text: 3 }, { text: [] }, { text: "x", more: 1 }])
    assert.equal((await ask("/engram/memory/collisions", body)).status, 400);
});

test("a model without a memory has no tables, and the rest says why there is nothing", async () => {
  assert.deepEqual((await ask("/engram/memory", undefined, bare)).tables, []);
  for (const path of ["fill", "collisions", "rows?layer=1&from=0&to=5&bins=1"]) {
    const { status, error } = await ask(`/engram/memory/${path}`, undefined, bare);
    assert.deepEqual([status, error.code], [400, "no_memory"], path);
  }
});
