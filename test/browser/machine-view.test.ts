/** The picture of the machine: what it says is what the server says, and it can be walked with a keyboard and a link. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import {
  excerpt as text,
  type Inspector,
  percentOf,
  startInspector,
  stripTokens,
  withoutBrowser,
} from "./inspector.ts";

describe("the machine", { skip: withoutBrowser }, async () => {
  if (withoutBrowser !== false) return;
  const inspector: Inspector = await startInspector();
  after(() => inspector.close());
  const report = await inspector.ask("engram/inspect", { text, top: 8 });

  test("lights up for the chosen token with the numbers that the server tells", async () => {
    const { page, complaints } = await inspector.open("#/machine?k=6");
    await stripTokens(page);
    const says = async (stage: string): Promise<string> =>
      (await page.locator(`[data-stage="${stage}"] desc`).textContent())!;
    const { layers, tokens, log_probs: chances } = report;
    const [{ after: read }] = layers;
    assert.ok((await says("numbers")).includes(read.rows[5].join(", ")));
    assert.ok((await says("gate")).includes(read.gates[5][0].toFixed(2)));
    assert.ok((await says("stream")).includes(percentOf(read.written[5] / read.stream[5])));
    for (const { id, compressed } of tokens.slice(3, 6)) {
      assert.ok((await says("tokens")).includes(`(number ${id})`));
      assert.ok((await says("compressed")).includes(String(compressed)));
    }
    assert.ok((await says("next")).includes(percentOf(Math.exp(chances.on[6]))));
    // This model has one layer with a memory, one branch, and no counts.
    assert.equal(await page.locator('[data-stage="counts"]').count(), 0);
    assert.equal(await page.getByRole("combobox").count(), 0);
    assert.deepEqual(complaints, []);
  });

  test("is walked from its first stage to its last with a keyboard, and left at any", async () => {
    const { page } = await inspector.open("#/machine?k=6");
    await page.getByRole("button", { name: /^Walk through it in 8 steps/ }).focus();
    await page.keyboard.press("Enter");
    const walk = page.getByRole("region", { name: "A walk through the machine" });
    const seen: string[] = [];
    for (let step = 1; ; step++) {
      await walk.getByRole("heading", { name: `Step ${step} of 8` }).waitFor();
      seen.push((await page.locator('.stage[aria-current="step"]').getAttribute("data-stage"))!);
      if (step === 8) break;
      // The walk has the focus after each step; its last way on is reached from there.
      await page.keyboard.press("Tab");
      if (step > 1) await page.keyboard.press("Tab");
      assert.equal(await page.evaluate(() => document.activeElement!.textContent), "Next");
      await page.keyboard.press("Enter");
    }
    assert.deepEqual(seen, [
      "tokens",
      "compressed",
      "ngrams",
      "numbers",
      "rows",
      "gate",
      "stream",
      "next",
    ]);
    assert.match(page.url(), /step=next/);
    await page.reload();
    await walk.getByRole("heading", { name: "Step 8 of 8" }).waitFor();
    await page.locator('[data-stage="rows"]').focus();
    await page.keyboard.press("Enter");
    await walk.getByRole("heading", { name: "Step 5 of 8" }).waitFor();
    await walk.getByRole("button", { name: "Leave the walk" }).click();
    await walk.getByRole("button", { name: /^Walk through/ }).waitFor();
    assert.doesNotMatch(page.url(), /step=/);
  });

  test("leads to every view, with the text and the token", async () => {
    const { page } = await inspector.open("#/machine?k=6&t=the+cat+sat+on+the+mat");
    await stripTokens(page);
    const views = new Set<string>();
    for (const step of ["tokens", "numbers", "gate", "next"]) {
      await page.evaluate((at) => {
        location.hash = location.hash.replace(/&step=\w+|$/, `&step=${at}`);
      }, step);
      const link = page.locator(".more a");
      await page.locator(`[data-stage="${step}"].lit`).waitFor();
      const href = (await link.getAttribute("href"))!;
      assert.match(href, /k=6/);
      assert.match(href, /t=the\+cat/);
      views.add(/#\/(\w+)/.exec(href)![1]!);
    }
    assert.deepEqual([...views].toSorted(), ["memory", "start", "text"]);
  });
});
