/** The memory as a whole, in a real browser: maps, look-up times and collisions against what the server tells. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import type { Page } from "playwright-core";
import { inspectorPage } from "../../src/cli/inspector-page.ts";
import { TableTraffic } from "../../src/inspect/index.ts";
import { Model } from "../../src/opened-model.ts";
import { createServer } from "../../src/server/index.ts";
import { listen } from "../../src/server/node/index.ts";
import { servedModel } from "../models/served-model.ts";
import { noBrowser, savedJson, savedPicture, TestBrowser } from "./browser.ts";

interface SavedMap {
  readonly from: number;
  readonly to: number;
  readonly bins: number;
  readonly title: string;
  readonly rows: { readonly sampled: number[]; readonly mean_norm: number[] };
  readonly reads: number[];
}

describe("the memory in the browser", { skip: noBrowser }, async () => {
  if (noBrowser !== false) return;
  const plain = await servedModel();
  const traffic = new TableTraffic();
  const memory = plain.rows!;
  const watched = memory.withTables(({ store, layerId, format }) => ({
    layerId,
    format,
    store: traffic.watch(store, { layerId, name: "memory", isOuter: true }),
  }));
  const model = new Model("models/served", {
    tokenizer: plain.tokenizer,
    language: { ...plain.language, memory: watched },
    ownsBackend: false,
  });
  const loadPage = () => inspectorPage({ note: () => undefined });
  const server = createServer(model, { traffic, page: loadPage });
  await server.ready;
  const listener = await listen(server.fetch, { host: "127.0.0.1", port: 0 });
  const browser = new TestBrowser();
  after(async () => {
    await browser.close();
    listener.destroy();
    await server.close();
    await plain.close();
  });

  // oxlint-disable-next-line typescript/no-explicit-any -- answers of many shapes
  async function ask(path: string, body?: object): Promise<any> {
    const response = await fetch(`${listener.url}/${path}`, {
      ...(body !== undefined && { method: "POST", body: JSON.stringify(body) }),
    });
    return response.json();
  }
  const write = (prompt: string) =>
    ask("v1/completions", { prompt, max_tokens: 5, ignore_eos: true, seed: 1 });
  const { buckets, rows } = (await ask("engram/memory")).tables[0];
  const maps = (page: Page) => page.getByRole("application", { name: /-grams, head/ });
  const open = async (hash = "", options = {}) => {
    const opened = await browser.open(`${listener.url}/#/memory${hash}`, options);
    await maps(opened.page).first().waitFor();
    // Until every map has its rows.
    await opened.page.waitForFunction(() => document.querySelector(".maps .busy") === null);
    return opened;
  };

  test("there is a map for each order and head, of the numbers that the server tells", async () => {
    const { page, complaints } = await open();
    assert.equal(await maps(page).count(), buckets.length);
    const saved = (await savedJson(page, "Save the map as JSON")) as SavedMap[];
    for (const [i, { from, to, bins, rows: found }] of saved.entries()) {
      assert.deepEqual([from, to], [buckets[i].first_row, buckets[i].first_row + buckets[i].rows]);
      const query = `layer=1&from=${from}&to=${to}&bins=${bins}`;
      const { sampled, mean_norm: norms } = await ask(`engram/memory/rows?${query}`);
      assert.deepEqual([found.sampled, found.mean_norm], [sampled, norms]);
    }
    const picture = await savedPicture(page, "Save the map as a PNG picture");
    assert.ok(picture.width > 400 && picture.height > 400 && picture.bytes > 3_000);
    assert.deepEqual(complaints, []);
  });

  test("the pointer reads a square, and longer rows have the stronger colour", async () => {
    const { page } = await open("?bucket=3.0");
    const [{ from, to, bins, rows: found }] = (await savedJson(page, "Save the map as JSON")) as [
      SavedMap,
    ];
    assert.equal(bins, to - from, "a small bucket is shown row by row");
    const map = maps(page).first();
    const box = (await map.boundingBox())!;
    const columns = Math.ceil(Math.sqrt(bins));
    const lines = Math.ceil(bins / columns);
    for (const bin of [0, columns + 2, bins - 1]) {
      await page.mouse.move(
        box.x + (box.width * ((bin % columns) + 0.5)) / columns,
        box.y + (box.height * (Math.floor(bin / columns) + 0.5)) / lines,
      );
      await page
        .getByText(`row ${(from + bin).toLocaleString("en-US")}`, { exact: true })
        .waitFor();
      const length = page.locator("dt", { hasText: "Length" }).locator("+ dd");
      assert.equal(await length.textContent(), found.mean_norm[bin]!.toFixed(4));
    }
    const lightness = await map.locator("canvas").evaluate((canvas) => {
      const { width, height } = canvas as HTMLCanvasElement;
      const { data } = (canvas as HTMLCanvasElement)
        .getContext("2d")!
        .getImageData(0, 0, width, height);
      return Array.from(
        { length: width * height },
        (_, i) => data[4 * i]! + data[4 * i + 1]! + data[4 * i + 2]!,
      );
    });
    const order = Array.from({ length: bins }, (_, i) => i).toSorted(
      (a, b) => found.mean_norm[a]! - found.mean_norm[b]!,
    );
    assert.ok(
      lightness[order[0]!]! > lightness[order.at(-1)!]! + 100,
      "in the light, long rows are dark",
    );
  });

  test("keys and clicks go closer and farther, and the address and the back button know where", async () => {
    const { page } = await open();
    await maps(page).nth(1).focus();
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowRight");
    await page
      .getByText(`2-grams, head 1, row ${buckets[1].first_row + 1}: length`)
      .waitFor({ state: "attached" });
    await page.keyboard.press("Enter");
    await page.waitForURL(/bucket=2\.1/);
    assert.equal(await maps(page).count(), 1);
    await page.keyboard.press("Backspace");
    await page.waitForFunction(() => !location.hash.includes("bucket"));
    await page.goBack();
    await page.waitForURL(/bucket=2\.1/);
    const other = await open("?bucket=2.1&rows=99999-100000");
    const [area] = (await savedJson(other.page, "Save the map as JSON")) as [SavedMap];
    assert.deepEqual([area.from, area.to - area.from], [buckets[1].first_row, buckets[1].rows]);
  });

  test("use and look-ups grow while the page is open and the model writes", async () => {
    const { page } = await open("?map=use&of=read");
    await write("the cat sat");
    const { reads } = await ask(`engram/memory/reads?layer=1&from=0&to=${rows}&bins=${rows}`);
    const total = reads.reduce((a: number, b: number) => a + b, 0);
    assert.ok(total > 0);
    await page.waitForFunction(
      (figure) =>
        [...document.querySelectorAll("dt")].some(
          (dt) => dt.textContent === "Rows" && dt.nextElementSibling?.textContent === figure,
        ),
      total.toLocaleString("en-US"),
    );
    const isDrawn = async (): Promise<boolean> => {
      const saved = (await savedJson(page, "Save the map as JSON")) as SavedMap[];
      return saved.flatMap((map) => map.reads).reduce((a, b) => a + b, 0) === total;
    };
    while (!(await isDrawn())) await page.waitForTimeout(200);
    const { tokens } = await ask("engram/memory/collisions");
    await page.getByText(new RegExp(`^\\s*${tokens} tokens`)).waitFor();
  });

  test("collisions of a text stand beside chance, as the server counts them", async () => {
    const { page } = await open("?of=text");
    const text = "the cat sat on the mat and the Cat sat on THE mat again ".repeat(3);
    await page.getByRole("textbox").fill(text);
    await page.getByRole("button", { name: "Count" }).click();
    const panel = page.getByRole("region", { name: "Collisions" });
    await panel.getByRole("table").waitFor();
    const { buckets: expected } = await ask("engram/memory/collisions", { text });
    const lines = await panel
      .locator("tbody tr")
      .evaluateAll((found) =>
        found.map((line) =>
          [...line.querySelectorAll("td")].map((cell) => cell.textContent!.trim()),
        ),
      );
    assert.equal(lines.length, expected.length);
    for (const [i, bucket] of expected.entries()) {
      const [head, size, ngrams, filled, byChance] = lines[i]!;
      assert.deepEqual(
        [head, size, ngrams, filled, byChance],
        [
          bucket.head,
          bucket.rows,
          bucket.ngrams,
          bucket.distinct_rows,
          Math.round(bucket.expected_distinct_rows),
        ].map(String),
      );
      assert.ok(
        Math.abs(Number.parseFloat(lines[i]![5]!) - (100 * bucket.shared_ngrams) / bucket.ngrams) <
          0.06,
      );
    }
  });

  test("in the dark and on a narrow screen everything is inside the page", async () => {
    for (const hash of ["", "?bucket=2.0&of=read"]) {
      const { page } = await open(hash, {
        viewport: { width: 360, height: 700 },
        colorScheme: "dark",
      });
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(width <= 360, `${hash}: ${width}`);
    }
  });
});
