import { promptIdsOf } from "../prompt-ids.ts";
import assert from "node:assert/strict";
import test, { after } from "node:test";
import { fileURLToPath } from "node:url";
import { servedModel } from "../../test/models/served-model.ts";
import { RequestError } from "../errors.ts";
import { Scorer } from "../inference/index.ts";
import { loadModel } from "../load-model.ts";
import { rowsForIds } from "../memory/index.ts";
import { CorpusIndex, inspectIds, type InspectReport } from "./index.ts";

const model = await servedModel({ contextSize: 32 });
after(() => model.close());
const { tokenizer } = model;
const memory = model.rows!;

const text = "the cat sat on the mat ü and THE Cat sat again ";
const ids = [tokenizer.eosTokenId!, ...(await tokenizer.encode(text))];
/** Several windows of the context. */
const longIds = [tokenizer.eosTokenId!, ...(await tokenizer.encode(text.repeat(5)))];

async function scorerNats(of: readonly number[], { memory: isOn }: { memory: boolean }) {
  const scorer = await Scorer.create(model.languageModel({ memory: isOn }));
  const score = await scorer.score({
    tokens: Uint32Array.from(of),
    starts: Uint32Array.of(0),
    numBytes: 1,
  });
  await scorer.dispose();
  return score;
}

function close(actual: number, expected: number, tolerance: number): void {
  assert.ok(Math.abs(actual - expected) <= tolerance, `${actual} is not ${expected}`);
}

/** Sums of float32 losses that were added in another order. */
const relative = 2e-6;

for (const [name, sequence] of [
  ["a text", ids],
  ["a text longer than the context", longIds],
] as const)
  test(`the losses of ${name} are the scorer's, with the memory and without`, async () => {
    const report = await inspectIds(model, sequence);
    for (const [key, isOn] of [
      ["on", true],
      ["off", false],
    ] as const) {
      const { nats, numTokens } = await scorerNats(sequence, { memory: isOn });
      assert.equal(report.totals.tokens, numTokens);
      close(report.totals[key].nats, nats, relative * nats);
      const sum = report.log_probs[key].reduce<number>((total, x) => total - (x ?? 0), 0);
      close(sum, nats, relative * nats + 1e-6 * numTokens);
    }
    const bytes = new TextEncoder().encode(sequence === ids ? text : text.repeat(5)).length;
    assert.equal(report.totals.bytes, bytes);
    close(report.totals.on.bits_per_byte!, report.totals.on.nats / Math.LN2 / bytes, 1e-12);
    assert.notEqual(report.totals.on.nats, report.totals.off.nats);
  });

test("rows are those that the configuration gives, gates those that a session sees", async () => {
  const report = await inspectIds(model, longIds);
  const [layer] = report.layers;
  const { layers } = rowsForIds({
    config: model.config.engram!,
    ids: longIds,
    tokenMap: memory.tokenMap,
  });
  assert.deepEqual(layer!.after.rows, layers["1"]);
  const short = await inspectIds(model, ids);
  await using session = model.createSession();
  const { gates } = await session.append(ids);
  for (const [t, [gate]] of short.layers[0]!.after.gates.entries())
    close(gate!, gates.get(1)![t]!, 2e-6);
  for (const [c, column] of layer!.columns.entries())
    for (const rows of layer!.after.rows)
      assert.ok(rows[c]! >= column.first_row && rows[c]! < column.first_row + column.rows);
});

test("norms are the lengths of what the rows hold", async () => {
  const { layers } = await inspectIds(model, ids);
  const { store, format } = memory.tables[0]!;
  const row = layers[0]!.after.rows[3]![2]!;
  const bytes = new Uint8Array(format.rowBytes);
  await store.read(Uint32Array.of(row), bytes);
  const values = new Float32Array(bytes.buffer);
  close(layers[0]!.after.norms[3]![2]!, Math.sqrt(values.reduce((sum, x) => sum + x * x, 0)), 1e-6);
});

test("what is written grows with the scale, and the gate does not", async () => {
  const [once, twice] = [await inspectIds(model, ids), await inspectIds(model, ids, { scale: 2 })];
  for (const t of ids.keys()) {
    const [a, b] = [once.layers[0]!.after, twice.layers[0]!.after];
    close(b.written[t]!, 2 * a.written[t]!, 1e-5 * b.written[t]!);
    close(b.gates[t]![0]!, a.gates[t]![0]!, 1e-6);
    close(b.stream[t]!, a.stream[t]!, 1e-6 * a.stream[t]!);
  }
});

test("a scale of zero, and everything taken away, are the memory off", async () => {
  const every = (count: number, from = 0): number[] =>
    Array.from({ length: count }, (_, i) => from + i);
  const rows = (report: InspectReport) =>
    [...new Set(report.layers[0]!.after.rows.flat())].map((row) => ({ layer: 1, row }));
  const whole = await inspectIds(model, ids, { top: 4 });
  const off = whole.log_probs.off;
  for (const options of [
    { scale: 0 },
    { ablate: { layers: [1] } },
    { ablate: { orders: every(2, 2) } },
    { ablate: { heads: every(2) } },
    { ablate: { rows: rows(whole) } },
  ]) {
    const report = await inspectIds(model, ids, { top: 4, ...options });
    // x + gate * 0 is x: the same numbers, to the rounding of the report.
    assert.deepEqual(report.log_probs.on, off, JSON.stringify(options));
    for (const next of report.next)
      for (const { on, off: without } of next) close(on, without, 1e-6);
    assert.ok(report.layers[0]!.after.norms.flat().some((norm) => norm > 0));
  }
});

test("taking one head or one row away changes something, but not everything", async () => {
  const whole = await inspectIds(model, ids);
  const row = whole.layers[0]!.after.rows[5]![0]!;
  for (const ablate of [{ heads: [0] }, { orders: [3] }, { rows: [{ layer: 1, row }] }]) {
    const { log_probs: found } = await inspectIds(model, ids, { ablate });
    assert.notDeepEqual(found.on, whole.log_probs.on);
    assert.notDeepEqual(found.on, whole.log_probs.off);
    assert.deepEqual(found.off, whole.log_probs.off);
  }
  // A row that no token here reads is missed by nobody.
  const read = new Set(whole.layers[0]!.after.rows.flat());
  const unread = [...Array(80).keys()].find((each) => !read.has(each))!;
  const { log_probs: found } = await inspectIds(model, ids, {
    ablate: { rows: [{ layer: 1, row: unread }] },
  });
  assert.deepEqual(found.on, whole.log_probs.on);
});

test("rows that are read after a token act on the tokens behind it, and on none before", async () => {
  const whole = await inspectIds(model, ids);
  for (const t of [3, 7, ids.length - 1]) {
    const earlier = new Set(whole.layers[0]!.after.rows.slice(0, t).flat());
    const rows = whole.layers[0]!.after.rows[t]!.filter((row) => !earlier.has(row));
    assert.ok(rows.length > 0, `token ${t} reads rows that no token before it has read`);
    const { log_probs: found } = await inspectIds(model, ids, {
      ablate: { rows: rows.map((row) => ({ layer: 1, row })) },
    });
    assert.deepEqual(found.on.slice(0, t + 1), whole.log_probs.on.slice(0, t + 1));
    if (t + 1 < ids.length) assert.notEqual(found.on[t + 1], whole.log_probs.on[t + 1]);
  }
});

test("in Jul|i|et of the model that comes along, the rows read after Jul make the i", async () => {
  await using shakespeare = await loadModel(
    fileURLToPath(new URL("../../assets/shakespeare", import.meta.url)),
  );
  const line =
    "ROMEO:\nBut, soft! what light through yonder window breaks?\nIt is the east, and Juliet is the sun.";
  const read = await promptIdsOf(shakespeare.tokenizer, line);
  const whole = await inspectIds(shakespeare, read);
  const i = whole.tokens.findIndex(
    ({ text: own }, t) => own === "i" && whole.tokens[t - 1]?.text === "ul",
  );
  const bitsWithout = async (t: number): Promise<number> => {
    const rows = whole.layers.flatMap(({ layer, after: { rows: all } }) =>
      all[t]!.map((row) => ({ layer, row })),
    );
    assert.equal(rows.length, 8);
    const { log_probs: found } = await inspectIds(shakespeare, read, { ablate: { rows } });
    return -found.on[i]! / Math.LN2;
  };
  close(-whole.log_probs.on[i]! / Math.LN2, 0.09, 0.01);
  close(await bitsWithout(i), -whole.log_probs.on[i]! / Math.LN2, 1e-5);
  close(await bitsWithout(i - 1), 4.43, 0.05);
});

test("chances of the next token are a whole softmax's, likeliest first", async () => {
  const { next, tokens } = await inspectIds(model, ids, { top: 20 });
  await using session = model.createSession();
  const V = model.config.vocabSize;
  const logits = (await session.append(ids, { logits: "all" })).logits;
  for (const [t, entries] of next.entries()) {
    const row = Array.from(logits.subarray(t * V, (t + 1) * V));
    const norm = Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0));
    for (const { id, on } of entries) close(on, row[id]! - norm, 2e-5);
    const best = row.indexOf(Math.max(...row));
    assert.ok(entries.some(({ id }) => id === best));
    const highest = entries.map(({ on, off }) => Math.max(on, off));
    assert.deepEqual(
      highest,
      highest.toSorted((a, b) => b - a),
    );
  }
  assert.equal(next.length, tokens.length);
});

test("spellings are the tokens that the map folds together", async () => {
  const report = await inspectIds(model, ids);
  const { map } = memory.tokenMap;
  for (const { id, compressed } of report.tokens) {
    assert.equal(compressed, map[id]);
    const { total, tokens } = report.spellings[compressed]!;
    const all = [...map.keys()].filter((each) => map[each] === compressed);
    assert.equal(total, all.length);
    assert.deepEqual(
      tokens.map((token) => token.id),
      all,
    );
  }
});

test("parts that the memory does not have, and no tokens at all, are refused", async () => {
  for (const ablate of [
    { layers: [0] },
    { orders: [4] },
    { heads: [2] },
    { rows: [{ layer: 1, row: 1e6 }] },
  ])
    await assert.rejects(inspectIds(model, ids, { ablate }), RequestError);
  await assert.rejects(inspectIds(model, []), RequestError);
  await assert.rejects(inspectIds(model, Array(5000).fill(0)), RequestError);
});

test("a model without a memory is read the same both ways", async () => {
  const plain = await servedModel({ hasMemory: false });
  const report = await inspectIds(plain, ids);
  assert.deepEqual(report.layers, []);
  assert.deepEqual(report.log_probs.on, report.log_probs.off);
  await plain.close();
});

test("a corpus tells of each row exactly the n-grams that are hashed to it", async () => {
  const corpusText = `${text} a dog, a cat and a mat; THE dog sat on the Cat. `.repeat(3);
  const index = await CorpusIndex.build({ tokenizer, memory, name: "pets" }, corpusText);
  const corpus = [...(await tokenizer.encode(corpusText))];
  // Counted anew, the slow way: every n-gram inside the corpus by the rows it addresses.
  const { layers } = rowsForIds({
    config: model.config.engram!,
    ids: corpus,
    tokenMap: memory.tokenMap,
  });
  const expected = new Map<number, Map<string, number>>();
  for (const [t, rows] of layers["1"]!.entries())
    for (const [c, row] of rows.entries()) {
      const order = 2 + Math.floor(c / 2);
      if (t < order - 1) continue;
      const ngram = corpus.slice(t - order + 1, t + 1).map((id) => memory.tokenMap.map[id]!);
      const counts = expected.get(row) ?? new Map<string, number>();
      counts.set(ngram.join(), (counts.get(ngram.join()) ?? 0) + 1);
      expected.set(row, counts);
    }
  const { numRows } = memory.addressing.layout.layers[0]!;
  const found = await index.lookUp(1, [...Array(numRows).keys()]);
  let shared = 0;
  for (const { row, corpus: seen } of found) {
    const counts = expected.get(row) ?? new Map<string, number>();
    assert.equal(seen!.distinct, counts.size, `row ${row}`);
    assert.equal(
      seen!.count,
      [...counts.values()].reduce((sum, count) => sum + count, 0),
    );
    for (const { compressed, count, texts } of seen!.ngrams) {
      assert.equal(count, counts.get(compressed.join()));
      assert.equal(texts.length, compressed.length);
    }
    if (counts.size > 1) shared++;
  }
  assert.ok(shared > 5);
  for (const { order, head, corpus: seen } of found) {
    const own = found.filter((other) => other.order === order && other.head === head);
    assert.equal(own.length, seen!.column_rows);
    assert.equal(own.filter((other) => other.corpus!.distinct > 0).length, seen!.used_rows);
  }
  await assert.rejects(index.lookUp(1, [numRows]), RequestError);
});
