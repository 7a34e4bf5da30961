/**
 * The static site as a stranger opens it: a folder that was built, behind a server that sets no header, in a real
 * Chromium. The model that ships writes there what it writes on Node.
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { createServer } from "../../src/server/index.ts";
import { noBrowser, TestBrowser } from "./browser.ts";
import { prompt, type ServedSite, serveSite } from "./built-site.ts";
import { stripTokens } from "./inspector.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

describe("the static site", { skip: noBrowser }, () => {
  const browser = new TestBrowser();
  let site: ServedSite;

  before(async () => {
    site = await serveSite();
  });
  after(async () => {
    await browser.close();
    await site?.[Symbol.asyncDispose]();
  });

  test("its first view writes with the memory and without, as on Node, and asks no other host", async (t) => {
    const chosen = (await site.model.tokenizer.encode(prompt)).length + 1;
    const place = `#/start?${new URLSearchParams({ t: prompt, k: String(chosen) })}`;
    const { page, complaints } = await browser.open(site.address + place);
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
      const expected = await site.textOnNode({ maxTokens: 40, memory });
      assert.ok(expected.length > 40);
      await page.waitForFunction(
        ([which, text]) =>
          document.querySelector(`[data-continuation="${which}"]`)!.textContent!.endsWith(text!),
        [name, prompt + expected] as const,
      );
    }
    assert.deepEqual(complaints, []);
    assert.ok(
      asked.every((url) => url.startsWith(site.address)),
      `${asked}`,
    );
  });

  test("the next visit shows the first view as it was, marked, until the engine has said it anew; it is removed with the rest", async () => {
    const { page, complaints } = await browser.open(site.address);
    const sentence = page.locator("[data-sentence]");
    const live = await sentence.innerText();
    await page.waitForFunction(() => localStorage.length > 0);
    // Other numbers than the engine's: what is kept can be told from what is computed.
    await page.evaluate(() => {
      const [[name, content]] = Object.entries(localStorage) as [[string, string]];
      const kept = JSON.parse(content) as { report: { log_probs: { off: number[] } } };
      const { log_probs: of } = kept.report;
      of.off = of.off.map((value) => value - 3);
      localStorage.setItem(name, JSON.stringify(kept));
    });
    await page.addInitScript(() => {
      const seen: string[][] = [];
      Object.assign(globalThis, { seen });
      new MutationObserver(() => {
        const said = document.querySelector("[data-sentence]")?.textContent ?? "";
        const mark = document.querySelector(".result [role=status]")?.textContent ?? "";
        if (said !== "" && said !== seen.at(-1)?.[0]) seen.push([said, mark]);
      }).observe(document, { subtree: true, childList: true, characterData: true });
    });
    await page.reload();
    await page.waitForFunction(
      (text) => document.querySelector<HTMLElement>("[data-sentence]")?.innerText === text,
      live,
    );
    await page.locator("[aria-busy=false]").waitFor();
    const [[first, mark]] = (await page.evaluate("seen")) as [[string, string]];
    assert.match(first, /the memory raised/);
    assert.doesNotMatch(live, new RegExp(/from \S+ %/.exec(first.replaceAll(/\s+/g, " "))![0]));
    assert.match(mark, /how it was at your last visit/);
    assert.equal(await page.getByText("at your last visit").count(), 0);
    await page.getByRole("button", { name: "Remove what was kept" }).click();
    await page.getByRole("button", { name: "Removed" }).waitFor();
    assert.equal(await page.evaluate(() => localStorage.length), 0);
    assert.deepEqual(complaints, []);
  });

  test("another model of the build is a click away, with its size", async () => {
    const { page, complaints } = await browser.open(`${site.address}#/start`);
    await page.locator("[data-sentence]").waitFor();
    await page.getByText("another, 4.6 MB").waitFor();
    await page.getByRole("link", { name: "another" }).click();
    await page.getByTitle("The model that is served").getByText("another").waitFor();
    await page.locator("[data-sentence]").waitFor();
    assert.ok(site.server.requests.some(({ url }) => url!.includes("/models/another/config.json")));
    // Numbers come packed, whether the host packs anything or not.
    const weights = site.server.requests.flatMap(
      ({ url }) => /another\/(model\.s.*)/.exec(url!)?.[1] ?? [],
    );
    assert.deepEqual(weights, ["model.safetensors.index.json", "model.safetensors.gz"]);
    await page.getByRole("link", { name: "shakespeare" }).waitFor();
    assert.deepEqual(complaints, []);
  });

  test("the curves of a model that brought its log are there when they are looked at; of one without, none are asked for", async () => {
    const { page, complaints } = await browser.open(`${site.address}?model=another#/start`);
    const asked = (name: string): number =>
      site.server.requests.filter(({ url }) => url!.endsWith(`/${name}`)).length;
    await page.locator("[data-sentence]").waitFor();
    assert.equal(asked("metrics.jsonl"), 0);
    await page.evaluate(`location.hash = "#/runs"`);
    const row = page.getByRole("row").filter({ hasText: "another" });
    await row.getByText("1,600").first().waitFor();
    await row.getByText("1.4969").waitFor();
    await page.getByRole("heading", { name: "Loss" }).waitFor();
    await page.goto(`${site.address}#/runs`);
    await page.getByText("This model came without the log of its training.").waitFor();
    assert.equal(asked("metrics.jsonl"), 1);
    assert.equal(
      site.server.requests.filter(({ url }) => url!.includes("shakespeare/metrics")).length,
      0,
    );
    assert.deepEqual(complaints, []);
  });

  test("its links open for anybody, and its place in another page's frame shows the view alone", async () => {
    const { page, complaints } = await browser.open(`${site.address}#/machine?step=gate`, {
      permissions: ["clipboard-read", "clipboard-write"],
    });
    await page.locator("[data-stage=gate].lit").waitFor();
    await page.getByRole("button", { name: "Copy link" }).click();
    await page.getByText("Copied; it opens on this machine.").waitFor();
    const link = await page.evaluate(() => navigator.clipboard.readText());
    assert.equal(link, page.url());
    assert.ok(link.startsWith(`${site.address}#/machine?step=gate`), link);
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

  test("the inspector talks to the server in its worker as to one behind a socket", async (t) => {
    const text = "ROMEO:\nIt is the east, and Juliet is the sun.";
    const there = createServer(site.model);
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
    const { page, complaints } = await browser.open(`${site.address}${place}`);
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
      `${site.address}#/teach?${new URLSearchParams(fact)}`,
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
      asked.every((url) => url.startsWith(site.address) && !/tavern|stone/.test(url)),
      `${asked}`,
    );
    assert.deepEqual(complaints, []);
  });

  test("a small model is trained in the page, its curves live, and can be stopped; the corpus is there", async () => {
    const { page, complaints } = await browser.open(`${site.address}#/runs`);
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
    const chosen = (await site.model.tokenizer.encode(prompt)).length + 1;
    const place = `#/start?${new URLSearchParams({ t: prompt, k: String(chosen) })}`;
    const { page, complaints } = await browser.open(site.address + place);
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
    await site.server.stop();
    await page.reload();
    await page.locator("[data-sentence]").waitFor();
    await page.getByLabel("Chance").selectOption({ label: "none: always the likeliest" });
    const expected = prompt + (await site.textOnNode({ maxTokens: 40 }));
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
