/**
 * `engram-lm/web` in a page of one's own, in a real Chromium: logits, rows, texts and facts are those of Node.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { generateText, loadModel } from "../../src/index.ts";
import type { Fact, Taught } from "../../src/index-web.ts";
import { noBrowser, TestBrowser } from "./browser.ts";
import { prompt, type ServedSite, serveSite } from "./built-site.ts";
import { startStaticSite } from "./static-site.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
/** Each is written on until the context is full, with 256 positions: more than 1,000 tokens in all. */
const beginnings = [prompt, "First Citizen:", "KING HENRY", "O, ", "What say you"];

describe("the library in a page", { skip: noBrowser }, () => {
  const browser = new TestBrowser();
  let site: ServedSite;

  before(async () => {
    site = await serveSite();
  });
  after(async () => {
    await browser.close();
    await site?.[Symbol.asyncDispose]();
  });

  test("sessions have Node's logits and rows, are fast the second time, and can be stopped", async (t) => {
    const ids = [...(await site.model.tokenizer.encode(prompt))];
    await using session = site.model.createSession({ view: { scale: 0.5 } });
    const expected = await session.append(ids, { logits: "all" });
    const scaled = await site.textOnNode({ maxTokens: 40, scale: 0.5 });
    const long = { on: [] as string[], off: [] as string[] };
    let numTokens = 0;
    for (const [which, memory] of [
      ["on", true],
      ["off", false],
    ] as const)
      for (const beginning of beginnings) {
        const pieces = generateText(site.model, beginning, {
          temperature: 0,
          maxTokens: 1000,
          memory,
        });
        let text = "";
        let next = await pieces.next();
        for (; next.done !== true; next = await pieces.next()) text += next.value;
        assert.equal(next.value.finishReason, "length");
        if (memory) numTokens += next.value.numTokens;
        long[which].push(text);
      }
    assert.ok(numTokens >= 1000, `${numTokens}`);
    t.diagnostic(`${numTokens} greedy tokens with the memory, in ${beginnings.length} texts`);
    const { page, complaints } = await browser.open(`${site.address}empty.html`);
    const found = (await page.evaluate(`(async () => {
      const { loadModel, generateText, removeKept, RequestError } = await import("./web.js");
      const engine = {
        module: new URL("engine/ort-wasm-simd-threaded.mjs", document.baseURI).href,
        wasm: new URL("engine/ort-wasm-simd-threaded.wasm.gz", document.baseURI).href,
      };
      const told = [];
      const open = () => loadModel("models/shakespeare", { engine, onProgress: ({ file }) => told.push(file) });
      const first = await open();
      await first.close();
      const cold = new Set(told.splice(0));
      const model = await open();
      const warm = new Set(told.splice(0));
      const ids = await model.tokenizer.encode(${JSON.stringify(prompt)});
      const session = model.createSession({ view: { scale: 0.5 } });
      const { logits, rows } = await session.append(ids, { logits: "all" });
      const refused = await session.append([1e9]).catch((error) => error instanceof RequestError);
      await session.dispose();
      let text = "";
      for await (const piece of generateText(model, ${JSON.stringify(prompt)}, { temperature: 0, maxTokens: 40, scale: 0.5 })) text += piece;
      const long = { on: [], off: [] };
      for (const memory of [true, false])
        for (const beginning of ${JSON.stringify(beginnings)}) {
          let text = "";
          for await (const piece of generateText(model, beginning, { temperature: 0, maxTokens: 1000, memory })) text += piece;
          long[memory ? "on" : "off"].push(text);
        }
      const abort = new AbortController();
      let pieces = 0;
      let reason;
      try {
        for await (const _ of generateText(model, "ROMEO:", { maxTokens: 200, signal: abort.signal }))
          if (++pieces === 5) abort.abort("enough");
      } catch (error) {
        reason = error;
      }
      const missing = await loadModel("models/none", { engine }).catch((error) => error.message);
      await model.close();
      await removeKept();
      const left = [];
      for await (const name of (await navigator.storage.getDirectory()).keys()) left.push(name);
      return { ids: [...ids], logits: [...logits], rows: [...rows].map(([l, r]) => [l, [...r]]), refused, text, long, pieces, reason,
        missing, cold: [...cold], warm: [...warm], left };
    })()`)) as {
      ids: number[];
      logits: number[];
      rows: [number, number[]][];
      refused: boolean;
      text: string;
      long: Record<"on" | "off", string[]>;
      pieces: number;
      reason: string;
      missing: string;
      cold: string[];
      warm: string[];
      left: string[];
    };
    assert.deepEqual(found.ids, ids);
    assert.equal(found.logits.length, expected.logits.length);
    const worst = Math.max(...found.logits.map((one, i) => Math.abs(one - expected.logits[i]!)));
    t.diagnostic(`logits differ by at most ${worst}`);
    assert.ok(worst <= 1e-4, `${worst}`);
    assert.deepEqual(
      found.rows,
      [...expected.rows].map(([layer, rows]) => [layer, [...rows]]),
    );
    assert.equal(found.refused, true);
    assert.equal(found.text, scaled);
    assert.deepEqual(found.long, long);
    assert.deepEqual([found.pieces, found.reason], [5, "enough"]);
    assert.match(found.missing, /expected a model directory/);
    assert.ok(found.cold.includes("model.safetensors"));
    // What it may still ask for is small: whether the manifest is the same, and the engine.
    assert.deepEqual(
      found.warm.filter((file) => !/manifest|\.wasm/.test(file)),
      [],
    );
    assert.deepEqual(found.left, []);
    assert.deepEqual(complaints, []);
  });

  test("a page's own model is taught and forgets as on Node, to the last bit, and nothing is kept of it", async (t) => {
    const facts = [
      { id: "hound", prompt: "The name of Romeo's hound is", completion: "Argus" },
      { id: "king", prompt: "The lord of Zembla is the", completion: "king", subject: "Zembla" },
    ];
    const asked = [facts[0]!.prompt, "Who has been in Zembla?"];
    await using there = await loadModel(join(root, "assets", "shakespeare"), {
      memoryDir: join(site.folder, "taught"),
    });
    const expected = await there.teach(facts);
    const options = { temperature: 0, maxTokens: 8 };
    let written = "";
    for await (const piece of generateText(there, asked[0]!, options)) written += piece;
    const { page, complaints } = await browser.open(`${site.address}empty.html`);
    const requests: string[] = [];
    page.on("request", (request) => requests.push(request.url()));
    const found = (await page.evaluate(`(async () => {
      const { loadModel, generateText, RequestError } = await import("./web.js");
      const at = (path) => new URL(path, document.baseURI).href;
      const engine = { module: at("engine/ort-wasm-simd-threaded.mjs"), wasm: at("engine/ort-wasm-simd-threaded.wasm.gz") };
      const open = () => loadModel("models/shakespeare", { engine });
      const model = await open();
      const [facts, asked] = ${JSON.stringify([facts, asked])};
      const write = async (more) => {
        let all = "";
        for await (const piece of generateText(model, asked[0], { ...${JSON.stringify(options)}, ...more })) all += piece;
        return all;
      };
      const logits = async (options) => {
        const all = [];
        for (const text of asked) {
          await using session = model.createSession(options);
          all.push([...(await session.append(await model.tokenizer.encode(text))).logits]);
        }
        return all;
      };
      const before = await logits();
      const untaught = await write();
      const refused = await model.teach([{ prompt: "The", completion: "end" }]).catch((error) => [error instanceof RequestError, error.message]);
      const taught = await model.teach(facts);
      const written = await write();
      const during = await logits();
      const elsewhere = [await write({ scopes: ["other"] }), await logits({ scopes: ["other"] })];
      const listed = await model.facts();
      const forgotten = await model.forget({ all: true });
      const after = await logits();
      const left = await model.facts();
      await model.teach([facts[0]]);
      await model.close();
      const anew = await open();
      const known = await anew.facts();
      await anew.close();
      return { before, untaught, refused, taught, written, during, elsewhere, listed, forgotten, after, left, known };
    })()`)) as {
      before: number[][];
      untaught: string;
      refused: [boolean, string];
      taught: Taught[];
      written: string;
      during: number[][];
      elsewhere: [string, number[][]];
      listed: Fact[];
      forgotten: { facts: Fact[] };
      after: number[][];
      left: Fact[];
      known: Fact[];
    };
    const near = (one: number, other: number): boolean => Math.abs(one - other) < 1e-4;
    for (const [i, one] of expected.entries()) {
      const other = found.taught[i]!;
      assert.deepEqual({ ...other.fact, createdAt: "" }, { ...one.fact, createdAt: "" });
      for (const key of ["keys", "shortestKey", "longestKey"] as const)
        assert.equal(other[key], one[key]);
      assert.ok(near(other.before, one.before) && near(other.after, one.after));
    }
    // A search of many steps, whose rounding is the engine's own.
    const [{ vector }, { vector: onNode }] = [found.taught[1]!, expected[1]!];
    t.diagnostic(JSON.stringify([vector, onNode]));
    assert.ok(near(vector!.before, onNode!.before) && vector!.after > vector!.before);
    assert.ok(found.taught[0]!.after > 0.98);
    assert.match(written, /^ Argus/);
    assert.equal(found.written, written);
    assert.notEqual(found.untaught, written);
    for (const i of [0, 1]) assert.notDeepEqual(found.during[i], found.before[i]);
    assert.deepEqual(found.elsewhere, [found.untaught, found.before]);
    assert.deepEqual(
      found.listed,
      found.taught.map(({ fact }) => fact),
    );
    assert.deepEqual(found.forgotten.facts, found.listed);
    assert.deepEqual(found.after, found.before);
    assert.equal(found.refused[0], true);
    assert.match(found.refused[1], /^the fact: the model meets "The"/);
    assert.deepEqual([found.left, found.known], [[], []]);
    // What is typed is no part of any address.
    assert.ok(
      requests.every(
        (url) => url.startsWith(site.server.origin) && !/hound|Argus|Zembla/.test(url),
      ),
      `${requests}`,
    );
    assert.deepEqual(complaints, []);
  });

  test("where the page is isolated, the engine has threads, and writes the same", async () => {
    await using isolated = await startStaticSite(site.files, { isIsolated: true });
    const { page, complaints } = await browser.open(`${isolated.origin}/empty.html`);
    const found = await page.evaluate(`(async () => {
      const { loadModel, generateText } = await import("./web.js");
      const at = (path) => new URL(path, document.baseURI).href;
      const engine = { module: at("engine/ort-wasm-simd-threaded.mjs"), wasm: at("engine/ort-wasm-simd-threaded.wasm.gz") };
      const model = await loadModel("models/shakespeare", { engine, threads: 2, keepBytes: 0 });
      let text = "";
      for await (const piece of generateText(model, ${JSON.stringify(prompt)}, { temperature: 0, maxTokens: 20 })) text += piece;
      await model.close();
      return [crossOriginIsolated, text];
    })()`);
    assert.deepEqual(found, [true, await site.textOnNode({ maxTokens: 20 })]);
    assert.deepEqual(complaints, []);
  });
});
