/** The static site without its server: it is stopped here, so this has a site, a server and a browser of its own. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { generateText, loadModel, type Model } from "../../src/index.ts";
import type { RangeServer } from "../range-server.ts";
import { noBrowser, TestBrowser } from "./browser.ts";
import { filesIn, startStaticSite } from "./static-site.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const prompt = "ROMEO:\nIt is";

describe("the static site without a network", { skip: noBrowser }, () => {
  const browser = new TestBrowser();
  let folder: string;
  let server: RangeServer;
  let model: Model;
  let address: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "engram-site-"));
    const sample = join(root, "assets", "shakespeare");
    await cp(sample, join(folder, "shipped", "shakespeare"), { recursive: true });
    const site = join(folder, "site");
    const script = join(root, "scripts", "build-site.ts");
    await promisify(execFile)(process.execPath, [script, site, join(folder, "shipped")]);
    server = await startStaticSite(await filesIn(site));
    address = `${server.origin}/some/path/`;
    model = await loadModel(sample);
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
    // Five seconds after it is open the page registers its worker again; what is removed in that moment is a fault that is open.
    await page.waitForTimeout(8000);
    await page.getByRole("button", { name: "Remove what was kept" }).click();
    await page.waitForFunction(async () => (await caches.keys()).length === 0);
    // A worker that was removed answers its last page until that is left.
    await page.goto("about:blank");
    await assert.rejects(page.goto(address));
    assert.deepEqual(complaints, []);
  });
});
