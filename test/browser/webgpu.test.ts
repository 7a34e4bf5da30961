/**
 * The engine's build with WebGPU in a real Chromium, on a graphics processor that is a program (SwiftShader): it proves
 * results, and says nothing of times.
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { generateText, loadModel } from "../../src/index.ts";
import { noBrowser, TestBrowser } from "./browser.ts";
import { bundledLibrary, filesIn, startStaticSite } from "./static-site.ts";
import { suiteInPage } from "./suite-in-page.ts";

const dist = dirname(createRequire(import.meta.url).resolve("onnxruntime-web"));
const jspi = (kind: string): string => join(dist, `ort-wasm-simd-threaded.jspi.${kind}`);
const sample = fileURLToPath(new URL("../../assets/shakespeare", import.meta.url));
const prompt = "ROMEO:\nIt is";
const asked = { temperature: 0, maxTokens: 20 };

describe("WebGPU", { skip: noBrowser }, () => {
  const browser = new TestBrowser([
    "--js-flags=--expose-gc",
    "--enable-unsafe-webgpu",
    "--use-webgpu-adapter=swiftshader",
  ]);
  after(() => browser.close());

  // Each case compiles programs for the device: all of them would take a quarter of an hour.
  test("the backend conformance suite passes, but for sums whose order is not fixed", async (t) => {
    const files = { module: jspi("mjs"), wasm: jspi("wasm") };
    const found = await suiteInPage(browser, files, { casesOfOp: 2, randomGraphs: 2 });
    t.diagnostic(`${found.passed} passed`);
    // scatterAddRows adds as its threads come. Only training has it.
    const known = /the same run twice is identical to the last bit: Error: rows/;
    assert.deepEqual(
      found.failures.filter((failure) => !known.test(failure)),
      [],
    );
    assert.ok(found.passed > 250, `${found.passed} tests ran`);
    assert.deepEqual(found.complaints, []);
  });

  test("a model says what it says on Node, with and without its memory", async (t) => {
    const model = await loadModel(sample);
    const session = model.createSession();
    const expected = await session.append(await model.tokenizer.encode(prompt), { logits: "all" });
    const texts: string[] = [];
    for (const memory of [true, false]) {
      let text = "";
      for await (const piece of generateText(model, prompt, { ...asked, memory })) text += piece;
      texts.push(text);
    }
    await session.dispose();
    await model.close();
    const shared: Record<string, Uint8Array> = {};
    for (const [name, bytes] of Object.entries(await filesIn(sample)))
      shared[`models/shakespeare/${name}`] = bytes;
    await using server = await startStaticSite({
      ...shared,
      ...(await bundledLibrary()),
      "gpu.mjs": await readFile(jspi("mjs")),
      "gpu.wasm": await readFile(jspi("wasm")),
      "empty.html": Buffer.from("<!doctype html><title>empty</title>"),
    });
    const { page, complaints } = await browser.open(`${server.origin}/empty.html`);
    // Of the plain build there are no files: it must not be asked for.
    const found = (await page.evaluate(`(async () => {
      const { loadModel, generateText } = await import("./web.js");
      const at = (name) => new URL(name, document.baseURI).href;
      const engine = { module: at("none.mjs"), wasm: at("none.wasm"), webgpu: { module: at("gpu.mjs"), wasm: at("gpu.wasm") } };
      const model = await loadModel("models/shakespeare", { engine });
      const session = model.createSession();
      const ids = await model.tokenizer.encode(${JSON.stringify(prompt)});
      const { logits } = await session.append(ids, { logits: "all" });
      const texts = [];
      for (const memory of [true, false]) {
        let text = "";
        for await (const piece of generateText(model, ${JSON.stringify(prompt)}, { ...${JSON.stringify(asked)}, memory })) text += piece;
        texts.push(text);
      }
      await model.close();
      return { logits: [...logits], texts };
    })()`)) as { logits: number[]; texts: string[] };
    const worst = Math.max(...found.logits.map((one, i) => Math.abs(one - expected.logits[i]!)));
    t.diagnostic(`logits differ by at most ${worst}`);
    assert.equal(found.logits.length, expected.logits.length);
    assert.ok(worst <= 1e-4, `${worst}`);
    assert.deepEqual(found.texts, texts);
    assert.deepEqual(complaints, []);
  });
});
