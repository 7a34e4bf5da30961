/** A server over models with a counted memory, alone and beside learned rows: treated like any other memory. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { toBeClose } from "../../../test/conformance/close.ts";
import { libraryText, servedModel } from "../../../test/models/served-model.ts";
import { bitsPerByte } from "../../eval/index.ts";
import { TableTraffic } from "../../inspect/index.ts";
import { composed, CountedMemory, withRows } from "../../memory/index.ts";
import { Model } from "../../opened-model.ts";
import { createServer } from "../index.ts";

const order = 4;
const prompt = "the cat sat on the mat and the Cat sat on THE mat again the cat sat";

for (const hasRows of [false, true])
  describe(`a server over counts ${hasRows ? "and learned rows" : "alone"}`, async () => {
    const plain = await servedModel({ countedOrder: order, hasMemory: hasRows });
    const traffic = new TableTraffic();
    const { language } = plain;
    const { table, inputs } = plain.counts!;
    const { layerId } = inputs[0]!;
    const buckets = traffic.watch(table.buckets, { layerId, name: "memory", isOuter: true });
    const rows =
      plain.rows &&
      withRows(plain.rows, (own) =>
        own.withTables((one) => ({
          ...one,
          store: traffic.watch(one.store, { ...one, name: "memory", isOuter: true }),
        })),
      );
    const counts = new CountedMemory({ ...table, buckets }, { layerId });
    const model = new Model("models/served", {
      tokenizer: plain.tokenizer,
      language: { ...language, memory: composed([rows, counts]) },
      ownsBackend: false,
    });
    const server = createServer(model, { traffic });
    await server.ready;
    after(async () => {
      await server.close();
      await plain.close();
    });

    // oxlint-disable-next-line typescript/no-explicit-any -- tests look into documents of many shapes
    async function ask(path: string, body?: object): Promise<any> {
      const response = await server.fetch(
        new Request(`http://engram${path}`, {
          ...(body !== undefined && { method: "POST", body: JSON.stringify(body) }),
        }),
      );
      return { status: response.status, ...((await response.json()) as object) };
    }

    const textsOf = (answer: { choices: { text: string }[] }): string[] =>
      answer.choices.map(({ text }) => text);

    test("an inspection says how far the counts are trusted after each token", async () => {
      const weightsAt = async (scale: number): Promise<number[][]> =>
        (await ask("/engram/inspect", { text: prompt, scale })).counts.weights;
      const { tokens } = await ask("/engram/inspect", { text: prompt });
      const weights = await weightsAt(1);
      assert.equal(weights.length, tokens.length);
      for (const each of weights) {
        assert.equal(each.length, order);
        assert.ok(Math.abs(each.reduce((sum, one) => sum + one, 0) - 1) < 1e-4, `${each}`);
      }
      for (const each of await weightsAt(0)) assert.deepEqual(each, [1, 0, 0, 0]);
    });

    test("says what it counts, and how often it is read", async () => {
      const blocksRead = async (): Promise<number> =>
        (await ask("/engram/memory")).counts.tiers[0].rows_read;
      const before = await blocksRead();
      const library = { maxTokens: 12, temperature: 0 };
      const answer = await ask("/v1/completions", { prompt, max_tokens: 12, temperature: 0 });
      assert.deepEqual(textsOf(answer), [await libraryText(plain, prompt, library)]);
      assert.ok((await blocksRead()) > before);
      const { counts: told, tables, since } = await ask("/engram/memory");
      assert.ok(since > 0);
      assert.equal(tables.length, hasRows ? 1 : 0);
      assert.equal(told.order, order);
      assert.equal(told.blocks, table.buckets.numRows);
      assert.equal(told.bytes, plain.counts!.numBytes);
      assert.ok(told.estimated_contexts > 50);
      const { engram, config } = await ask("/props");
      assert.deepEqual(engram.counted, { order, bytes: plain.counts!.numBytes });
      assert.equal(config.counted.order, order);
      assert.equal(engram.layerIds !== undefined, hasRows);
      const metrics = await (await server.fetch(new Request("http://engram/metrics"))).text();
      const read = /engram_memory_rows_total\{[^}]*\} (\d+)/.exec(metrics);
      assert.ok(Number(read?.[1]) > 0, metrics);
    });

    test("several choices, at once and one after the other, are what the library writes", async () => {
      const options = { maxTokens: 10, temperature: 1 };
      const expected = await Promise.all(
        [5, 6, 7].map((seed) => libraryText(plain, prompt, { ...options, seed })),
      );
      const one = (seed: number) =>
        ask("/v1/completions", { prompt, max_tokens: 10, temperature: 1, seed });
      const several = await Promise.all([5, 6, 7].map(one));
      assert.deepEqual(several.flatMap(textsOf), expected);
      // From here on the prompt is read from the cache.
      const again = await one(5);
      assert.deepEqual(textsOf(again), [expected[0]]);
      assert.ok(again.usage.prompt_tokens_details.cached_tokens > 0);
      const request = { prompt, max_tokens: 10, temperature: 1, seed: 5, n: 3 };
      const forks = await ask("/v1/completions", request);
      assert.equal(textsOf(forks)[0], expected[0]);
      assert.equal(new Set(textsOf(forks)).size, 3);
    });

    test("switched off, and at no scale, it is the backbone; a cached prompt does not tell", async () => {
      const request = { prompt, max_tokens: 10, temperature: 0 };
      const bare = await libraryText(plain, prompt, {
        maxTokens: 10,
        temperature: 0,
        memory: false,
      });
      const on = textsOf(await ask("/v1/completions", request));
      const off = await ask("/v1/completions", { ...request, engram: { enabled: false } });
      assert.deepEqual(textsOf(off), [bare]);
      const unscaled = await ask("/v1/completions", { ...request, engram: { scale: 0 } });
      assert.deepEqual(textsOf(unscaled), [bare]);
      assert.notDeepEqual(on, [bare]);
      assert.deepEqual(textsOf(await ask("/v1/completions", request)), on);
    });

    test("an inspection reads as a score does, with the memory and without", async () => {
      const text = "the cat sat on THE mat ";
      const found = await ask("/engram/inspect", { text });
      assert.equal(found.status, 200, JSON.stringify(found));
      for (const [memory, name] of [
        [true, "on"],
        [false, "off"],
      ] as const) {
        const { bitsPerByte: expected } = await bitsPerByte(plain, [{ text }], { memory });
        toBeClose([found.totals[name].bits_per_byte], [expected], { rtol: 1e-4, atol: 0 });
      }
    });

    test("what only learned rows have is refused by what it is", async () => {
      const layer = hasRows ? 1 : layerId;
      const rowsOf = await ask(`/engram/memory/rows?layer=${layer}&from=0&to=10&bins=5`);
      const corpus = await ask("/engram/corpus", { name: "a", text: prompt });
      const without = await ask("/engram/inspect", { text: prompt, ablate: { orders: [2] } });
      const all = { counts: [2, 3, 4] };
      const bare = await ask("/engram/inspect", { text: prompt, ablate: all });
      const whole = await ask("/engram/inspect", { text: prompt });
      assert.equal(bare.status, 200);
      assert.ok(bare.totals.on.nats > whole.totals.on.nats);
      const last = whole.tokens.at(-1).id;
      const behind = await ask("/engram/inspect", { text: prompt, ablate: { contexts: [[last]] } });
      assert.deepEqual(behind.counts.weights[0], whole.counts.weights[0]);
      assert.notDeepEqual(behind.counts.weights.at(-1), whole.counts.weights.at(-1));
      const missing = await ask("/engram/inspect", { text: prompt, ablate: { counts: [5] } });
      assert.match(missing.error.message, /no counts of 5 to take away: n-grams of 2..4/);
      if (hasRows) {
        assert.deepEqual([rowsOf.status, corpus.status, without.status], [200, 200, 200]);
        return;
      }
      assert.match(rowsOf.error.message, /counts and no learned rows/);
      assert.match(corpus.error.message, /no learned rows/);
      assert.match(without.error.message, /counts alone/);
      for (const { status } of [rowsOf, corpus, without])
        assert.ok(status >= 400 && status < 500, `${status}`);
    });
  });
