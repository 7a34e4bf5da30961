/**
 * The static site as a stranger opens it: a folder that was built, behind a server that sets no header, in a real
 * Chromium. The model that ships writes there what it writes on Node.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { sealDirectory } from "../../src/checkpoint/node/index.ts";
import { generateText, loadModel, type Model } from "../../src/index.ts";
import type { Fact, Taught } from "../../src/index-web.ts";
import type { RangeServer } from "../range-server.ts";
import { createServer } from "../../src/server/index.ts";
import { noBrowser, TestBrowser } from "./browser.ts";
import { stripTokens } from "./inspector.ts";
import { bundledLibrary, filesIn, startStaticSite } from "./static-site.ts";

/** What a run leaves beside its model. */
const ownLog = ["metrics.jsonl", "run.json", "training.json"];

const root = fileURLToPath(new URL("../..", import.meta.url));
const prompt = "ROMEO:\nIt is";
/** Each is written on until the context is full, with 256 positions: more than 1,000 tokens in all. */
const beginnings = [prompt, "First Citizen:", "KING HENRY", "O, ", "What say you"];
describe("the static site", { skip: noBrowser }, () => {
  const browser = new TestBrowser();
  let folder: string;
  let files: Record<string, Uint8Array>;
  let server: RangeServer;
  let model: Model;
  /** Below a path of its own, as on GitHub Pages. */
  let address: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "engram-site-"));
    const shipped = join(folder, "shipped");
    for (const name of ["shakespeare", "another"])
      await cp(join(root, "assets", "shakespeare"), join(shipped, name), { recursive: true });
    // The sample has no log of its training; here is one that has.
    for (const name of ownLog)
      await cp(join(root, "assets", "english", name), join(shipped, "another", name));
    await sealDirectory(join(shipped, "another"));
    const script = join(root, "scripts", "build-site.ts");
    const site = join(folder, "site");
    await promisify(execFile)(process.execPath, [script, site, shipped]);
    files = {
      ...(await bundledLibrary()),
      ...(await filesIn(site)),
      "empty.html": Buffer.from("<!doctype html><title>empty</title>"),
    };
    server = await startStaticSite(files);
    address = `${server.origin}/some/path/`;
    model = await loadModel(join(root, "assets", "shakespeare"));
  });
  after(async () => {
    await browser.close();
    await model?.close();
    await server?.stop();
    if (folder !== undefined) await rm(folder, { recursive: true });
  });

  const textOnNode = async (options: object): Promise<string> => {
    let text = "";
    for await (const piece of generateText(model, prompt, { temperature: 0, ...options }))
      text += piece;
    return text;
  };

  test("its first view writes with the memory and without, as on Node, and asks no other host", async (t) => {
    const chosen = (await model.tokenizer.encode(prompt)).length + 1;
    const place = `#/start?${new URLSearchParams({ t: prompt, k: String(chosen) })}`;
    const { page, complaints } = await browser.open(address + place);
    const asked: string[] = [];
    page.on("request", (request) => asked.push(request.url()));
    const began = performance.now();
    await page.locator("[data-sentence]").waitFor();
    t.diagnostic(`the sentence stands after ${(performance.now() - began).toFixed(0)} ms`);
    await page.getByLabel("Chance").selectOption({ label: "none: always the likeliest" });
    for (const [name, memory] of [
      ["on", true],
      ["off", false],
    ] as const) {
      const expected = await textOnNode({ maxTokens: 40, memory });
      assert.ok(expected.length > 40);
      await page.waitForFunction(
        ([which, text]) =>
          document.querySelector(`[data-continuation="${which}"]`)!.textContent!.endsWith(text!),
        [name, prompt + expected] as const,
      );
    }
    assert.deepEqual(complaints, []);
    assert.ok(
      asked.every((url) => url.startsWith(address)),
      `${asked}`,
    );
  });

  test("another model of the build is a click away, with its size", async () => {
    const { page, complaints } = await browser.open(`${address}#/start`);
    await page.locator("[data-sentence]").waitFor();
    await page.getByText("another, 4.5 MB").waitFor();
    await page.getByRole("link", { name: "another" }).click();
    await page.getByTitle("The model that is served").getByText("another").waitFor();
    await page.locator("[data-sentence]").waitFor();
    assert.ok(server.requests.some(({ url }) => url!.includes("/models/another/config.json")));
    // Numbers come packed, whether the host packs anything or not.
    const weights = server.requests.flatMap(
      ({ url }) => /another\/(model\.s.*)/.exec(url!)?.[1] ?? [],
    );
    assert.deepEqual(weights, ["model.safetensors.index.json", "model.safetensors.gz"]);
    await page.getByRole("link", { name: "shakespeare" }).waitFor();
    assert.deepEqual(complaints, []);
  });

  test("the curves of a model that brought its log are there when they are looked at; of one without, none are asked for", async () => {
    const { page, complaints } = await browser.open(`${address}?model=another#/start`);
    const asked = (name: string): number =>
      server.requests.filter(({ url }) => url!.endsWith(`/${name}`)).length;
    await page.locator("[data-sentence]").waitFor();
    assert.equal(asked("metrics.jsonl"), 0);
    await page.evaluate(`location.hash = "#/runs"`);
    const row = page.getByRole("row").filter({ hasText: "another" });
    await row.getByText("1,000").first().waitFor();
    await row.getByText("1.606").waitFor();
    await page.getByRole("heading", { name: "Loss" }).waitFor();
    await page.goto(`${address}#/runs`);
    await page.getByText("This model came without the log of its training.").waitFor();
    assert.equal(asked("metrics.jsonl"), 1);
    assert.equal(
      server.requests.filter(({ url }) => url!.includes("shakespeare/metrics")).length,
      0,
    );
    assert.deepEqual(complaints, []);
  });

  test("its links open for anybody, and its place in another page's frame shows the view alone", async () => {
    const { page, complaints } = await browser.open(`${address}#/machine?step=gate`, {
      permissions: ["clipboard-read", "clipboard-write"],
    });
    await page.locator("[data-stage=gate].lit").waitFor();
    await page.getByRole("button", { name: "Copy link" }).click();
    await page.getByText("Copied; it opens on this machine.").waitFor();
    const link = await page.evaluate(() => navigator.clipboard.readText());
    assert.equal(link, page.url());
    assert.ok(link.startsWith(`${address}#/machine?step=gate`), link);
    await page.getByRole("button", { name: "Embed" }).click();
    const snippet = await page.getByLabel("To be copied").inputValue();
    const frame = /^<iframe src="([^"]*)" title="[^"]+"/
      .exec(snippet)![1]!
      .replaceAll("&amp;", "&");
    await page.goto("about:blank");
    await page.goto(frame);
    await page.locator("[data-stage=gate].lit").waitFor();
    assert.equal(await page.getByRole("navigation").count(), 0);
    const out = page.getByRole("link", { name: "Open the page" });
    assert.equal(await out.getAttribute("href"), link);
    assert.deepEqual(complaints, []);
  });

  test("sessions have Node's logits and rows, are fast the second time, and can be stopped", async (t) => {
    const ids = [...(await model.tokenizer.encode(prompt))];
    await using session = model.createSession({ view: { scale: 0.5 } });
    const expected = await session.append(ids, { logits: "all" });
    const scaled = await textOnNode({ maxTokens: 40, scale: 0.5 });
    const long = { on: [] as string[], off: [] as string[] };
    let numTokens = 0;
    for (const [which, memory] of [
      ["on", true],
      ["off", false],
    ] as const)
      for (const beginning of beginnings) {
        const pieces = generateText(model, beginning, { temperature: 0, maxTokens: 1000, memory });
        let text = "";
        let next = await pieces.next();
        for (; next.done !== true; next = await pieces.next()) text += next.value;
        assert.equal(next.value.finishReason, "length");
        if (memory) numTokens += next.value.numTokens;
        long[which].push(text);
      }
    assert.ok(numTokens >= 1000, `${numTokens}`);
    t.diagnostic(`${numTokens} greedy tokens with the memory, in ${beginnings.length} texts`);
    const { page, complaints } = await browser.open(`${address}empty.html`);
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
      memoryDir: join(folder, "taught"),
    });
    const expected = await there.teach(facts);
    const options = { temperature: 0, maxTokens: 8 };
    let written = "";
    for await (const piece of generateText(there, asked[0]!, options)) written += piece;
    const { page, complaints } = await browser.open(`${address}empty.html`);
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
      requests.every((url) => url.startsWith(server.origin) && !/hound|Argus|Zembla/.test(url)),
      `${requests}`,
    );
    assert.deepEqual(complaints, []);
  });

  test("the inspector talks to the server in its worker as to one behind a socket", async (t) => {
    const text = "ROMEO:\nIt is the east, and Juliet is the sun.";
    const there = createServer(model);
    await there.ready;
    const asked = new Request("http://localhost/engram/inspect", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ text, top: 8 }),
    });
    const { totals, tokens } = (await (await there.fetch(asked)).json()) as {
      totals: Record<"on" | "off", { bits_per_byte: number }>;
      tokens: unknown[];
    };
    await there.close();
    const place = `#/compare?${new URLSearchParams({ t: text })}`;
    const { page, complaints } = await browser.open(`${address}${place}`);
    assert.equal((await stripTokens(page)).length, tokens.length + 1);
    for (const which of ["on", "off"] as const) {
      const shown = await page.locator(`[data-total="${which}"]`).textContent();
      assert.equal(shown!.trim(), totals[which].bits_per_byte.toFixed(3));
    }
    const views = page.getByRole("navigation", { name: "Views" });
    await views.getByRole("link", { name: "Table" }).click();
    await page.getByRole("application").first().waitFor();
    await views.getByRole("link", { name: "Text" }).click();
    await page.getByRole("button", { name: "Let the model go on" }).click();
    await page.waitForFunction(
      (count) => document.querySelectorAll("[role=option]").length > count + 5,
      tokens.length + 1,
    );
    t.diagnostic(`${await page.getByRole("option").count()} tokens on the strip`);
    assert.deepEqual(complaints, []);
  });

  test("the inspector teaches there, in this browser alone; the next visit knows it until it is erased", async () => {
    const fact = { after: "The keys of the tavern lie", say: "under the stone", try: "" };
    const { page, complaints } = await browser.open(
      `${address}#/teach?${new URLSearchParams(fact)}`,
    );
    const asked: string[] = [];
    page.on("request", (request) => asked.push(request.url()));
    await page.getByRole("button", { name: "Teach", exact: true }).click();
    await page.getByText("Taught in").waitFor();
    await page.getByText("1 fact, kept in this browser").waitFor();
    await page.waitForFunction(
      () => parseFloat(document.querySelector('[data-chance="after"]')!.textContent!) > 98,
    );
    await page.reload();
    await page.getByText("1 fact, kept in this browser").waitFor();
    await page.getByRole("button", { name: /^Erase “/ }).click();
    await page.getByText("Nothing of it is left in the memory").waitFor();
    // No file of this origin has it.
    const kept = (await page.evaluate(`(async () => {
      const texts = [];
      const read = async (folder) => {
        for await (const [name, one] of folder.entries())
          if (one.kind === "directory") await read(one);
          else if (name === "content") texts.push(await (await one.getFile()).text());
      };
      await read(await navigator.storage.getDirectory());
      return texts;
    })()`)) as string[];
    assert.equal(kept.length, 1);
    assert.doesNotMatch(kept[0]!, /tavern|stone/);
    // What is typed is no part of any address.
    assert.ok(
      asked.every((url) => url.startsWith(address) && !/tavern|stone/.test(url)),
      `${asked}`,
    );
    assert.deepEqual(complaints, []);
  });

  test("where the page is isolated, the engine has threads, and writes the same", async () => {
    await using isolated = await startStaticSite(files, { isIsolated: true });
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
    assert.deepEqual(found, [true, await textOnNode({ maxTokens: 20 })]);
    assert.deepEqual(complaints, []);
  });

  test("a small model is trained in the page, its curves live, and can be stopped; the corpus is there", async () => {
    const { page, complaints } = await browser.open(`${address}#/runs`);
    await page.getByRole("button", { name: "Train on the sample text" }).waitFor();
    const text = (await readFile(join(root, "assets", "tinyshakespeare.txt"))).subarray(0, 20_000);
    await page
      .getByLabel("Train on a text of your own")
      .setInputFiles({ name: "play.txt", mimeType: "text/plain", buffer: text });
    await page.getByText(/^Step [2-9]/).waitFor();
    await page.getByRole("heading", { name: "Loss" }).waitFor();
    await page.getByRole("button", { name: "Stop" }).click();
    await page.getByText("Stopped. Nothing of it was kept.").waitFor();
    await page.evaluate(`location.hash = "#/memory"`);
    await page.getByText("43,740").first().waitFor();
    assert.deepEqual(complaints, []);
  });

  test("after the first visit it opens and writes without a network, until the visitor clears it", async () => {
    const chosen = (await model.tokenizer.encode(prompt)).length + 1;
    const place = `#/start?${new URLSearchParams({ t: prompt, k: String(chosen) })}`;
    const { page, complaints } = await browser.open(address + place);
    // The engine that is kept runs once in a worker of its own, so that the browser keeps what it compiles of it.
    const second = page.waitForEvent("worker", (worker) => worker !== page.workers()[0]);
    await page.locator("[data-sentence]").waitFor();
    await second;
    const engine = (await page.evaluate(`(async () => {
      const answer = await fetch("engine/ort-wasm-simd-threaded.wasm.gz");
      const bytes = new Uint8Array(await answer.arrayBuffer());
      return [answer.headers.get("content-type"), ...bytes.subarray(0, 4)];
    })()`)) as unknown[];
    assert.deepEqual(engine, ["application/wasm", 0, ...Buffer.from("asm")]);
    await server.stop();
    await page.reload();
    await page.locator("[data-sentence]").waitFor();
    await page.getByLabel("Chance").selectOption({ label: "none: always the likeliest" });
    const expected = prompt + (await textOnNode({ maxTokens: 40 }));
    await page.waitForFunction(
      (text) => document.querySelector('[data-continuation="on"]')!.textContent!.endsWith(text),
      expected,
    );
    await page.getByRole("button", { name: "Remove what was kept" }).click();
    await page.getByRole("button", { name: "Removed" }).waitFor();
    // Chromium makes an empty cache anew when it has compiled a script that came from one.
    const kept = await page.evaluate(async () => {
      const requests: string[] = [];
      for (const name of await caches.keys())
        for (const { url } of await (await caches.open(name)).keys()) requests.push(url);
      return requests;
    });
    assert.deepEqual(kept, []);
    await assert.rejects(page.reload());
    assert.deepEqual(complaints, []);
  });
});
