/** `engram-lm/web` in a page of one's own, in a real Chromium: what it learns by reading is what Node learns. */
import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { loadModel } from "../../src/index.ts";
import { wasmFiles } from "../../src/tensor/backends/onnx/node/engine-files.ts";
import { readWasm } from "../../src/tensor/backends/onnx/node/wasm-engine.ts";
import { noBrowser, TestBrowser } from "./browser.ts";
import { bundledLibrary, startStaticSite } from "./static-site.ts";

const assets = fileURLToPath(new URL("../../assets", import.meta.url));

test(
  "a model that weighs counts learns what a page has read, as on Node, for one scope and until it is erased",
  { skip: noBrowser },
  async (t) => {
    const { module, wasm } = wasmFiles();
    const files: Record<string, Uint8Array> = {
      ...(await bundledLibrary()),
      "empty.html": Buffer.from("<!doctype html><title>empty</title>"),
      "engine.mjs": await readFile(module),
      "engine.wasm": await readWasm(wasm),
    };
    for (const model of ["english", "shakespeare"])
      for (const name of await readdir(join(assets, model)))
        files[`models/${model}/${name}`] = await readFile(join(assets, model, name));
    await using server = await startStaticSite(files);
    const browser = new TestBrowser();
    t.after(() => browser.close());
    const memoryDir = await mkdtemp(join(tmpdir(), "engram-learned-"));
    t.after(() => rm(memoryDir, { recursive: true }));
    await using there = await loadModel(join(assets, "english"), { memoryDir });
    const text = "The harbour of Zembla lies at Onhava. The harbour of Zembla lies at Onhava.";
    const asked = "The harbour of Zembla";
    await there.learn({ ids: await there.tokenizer.encode(text), scope: "news" });
    const logits = async (scope: string): Promise<number[]> => {
      await using session = there.createSession({ scopes: [scope] });
      return [...(await session.append(await there.tokenizer.encode(asked))).logits];
    };
    const expected = { news: await logits("news"), other: await logits("other") };
    const { page, complaints } = await browser.open(`${server.origin}/empty.html`);
    const found = (await page.evaluate(`(async () => {
    const { loadModel, RequestError, InvalidConfigError } = await import("./web.js");
    const at = (path) => new URL(path, document.baseURI).href;
    const engine = { module: at("engine.mjs"), wasm: at("engine.wasm") };
    const open = (name) => loadModel("models/" + name, { engine, keepBytes: 0 });
    const model = await open("english");
    const [text, asked] = ${JSON.stringify([text, asked])};
    const logits = async (scope) => {
      await using session = model.createSession({ scopes: [scope] });
      return [...(await session.append(await model.tokenizer.encode(asked))).logits];
    };
    const before = await logits("news");
    await model.learn({ ids: await model.tokenizer.encode(text), scope: "news" });
    const [news, other] = [await logits("news"), await logits("other")];
    const refused = await model.learn({ ids: [-1] }).catch((error) => error instanceof RequestError);
    const { learned } = await model.forget({ scope: "news", all: true });
    const after = await logits("news");
    await model.close();
    const rows = await open("shakespeare");
    const cannot = await rows.learn({ ids: [1, 2] }).catch((error) => [error instanceof InvalidConfigError, error.message]);
    await rows.close();
    return { before, news, other, refused, learned, after, cannot };
  })()`)) as {
      before: number[];
      news: number[];
      other: number[];
      refused: boolean;
      learned: { scope: string; texts: number }[];
      after: number[];
      cannot: [boolean, string];
    };
    const worst = (some: number[], others: number[]): number =>
      Math.max(...some.map((one, i) => Math.abs(one - others[i]!)));
    const gained = (news: number[], other: number[]): number[] =>
      news.map((one, i) => one - other[i]!);
    const gain = gained(expected.news, expected.other);
    assert.ok(Math.max(...gain) > 5);
    // The engines round products of 8 bits differently: by up to 0.07 where nothing is learned.
    assert.ok(worst(found.other, expected.other) < 0.1);
    assert.ok(worst(gained(found.news, found.other), gain) < 0.1);
    assert.deepEqual([found.other, found.after], [found.before, found.before]);
    assert.equal(found.refused, true);
    assert.deepEqual(
      found.learned.map(({ scope, texts }) => [scope, texts]),
      [["news", 1]],
    );
    assert.equal(found.cannot[0], true);
    assert.match(found.cannot[1], /weighs no counts/);
    assert.deepEqual(complaints, []);
  },
);
