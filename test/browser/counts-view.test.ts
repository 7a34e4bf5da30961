/** A model whose memory has counts alone, in a real browser: it is named, it has no map, and off switches it off. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { servedModel } from "../models/served-model.ts";
import { type Inspector, startInspector, stripTokens, withoutBrowser } from "./inspector.ts";

describe("counts in the browser", { skip: withoutBrowser }, async () => {
  if (withoutBrowser !== false) return;
  const model = await servedModel({ hasMemory: false, countedOrder: 4 });
  const inspector: Inspector = await startInspector({}, model);
  after(() => inspector.close());

  test("are named in the head and in the memory's own view, where there is no map", async () => {
    const { page, complaints } = await inspector.open("#/memory");
    const panel = page.getByRole("region", { name: "Counts" });
    await panel.waitFor();
    const { counts } = await inspector.ask("engram/memory");
    const shown = (await panel.textContent())!;
    assert.match(shown, /context of up to 3 tokens in the training text/);
    assert.ok(shown.includes(counts.estimated_contexts.toLocaleString("en-US")), shown);
    assert.match(shown, /no learned rows, so there is no table to show/);
    assert.match((await page.locator(".sizes").textContent())!, /^\s*counts of up to 4-grams/);
    assert.equal(await page.getByRole("application").count(), 0);
    assert.deepEqual(complaints, []);
  });

  test("tell for each token what they are worth against the memory switched off", async () => {
    const { page, complaints } = await inspector.open("#/text?k=1");
    const tokens = await stripTokens(page);
    assert.ok(tokens.length > 5);
    const shown = (await page.locator("main").textContent())!;
    assert.doesNotMatch(shown, /no memory/i);
    // Counts have no gate.
    const buttons = page.getByRole("group", { name: "Colour by" }).getByRole("button");
    assert.deepEqual(await buttons.allTextContents(), ["Change in loss"]);
    const text = "the cat sat on the mat and the Cat sat on THE mat again";
    const { log_probs: chances, layers } = await inspector.ask("engram/inspect", { text });
    assert.deepEqual(layers, []);
    for (const name of ["on", "off"] as const) {
      const loss = page.locator(`[data-loss="${name}"]`);
      assert.equal(await loss.textContent(), (-chances[name][1] / Math.LN2).toFixed(2));
    }
    assert.deepEqual(complaints, []);
  });
});
