/** A model whose memory has counts alone, in a real browser: it is named, it has no map, and off switches it off. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { servedModel } from "../models/served-model.ts";
import {
  type Inspector,
  percentOf,
  startInspector,
  stripTokens,
  withoutBrowser,
} from "./inspector.ts";

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

  test("are forgotten where the first view is asked to forget, and the chance falls", async () => {
    const { page, complaints } = await inspector.open("#/start?k=6");
    await stripTokens(page);
    const text = "the cat sat on the mat and the Cat sat on THE mat again";
    const { tokens, log_probs: whole } = await inspector.ask("engram/inspect", { text });
    const sentence = page.locator("[data-sentence]");
    assert.match((await sentence.textContent())!, /have \d+\.\d % of the say here/);
    await page.getByRole("button", { name: "Make it forget this" }).click();
    await sentence.getByText("forgotten now").waitFor();
    const before = tokens.slice(3, 6).map(({ id }: { id: number }) => id);
    const contexts = [before, before.slice(1), before.slice(2)];
    const without = await inspector.ask("engram/inspect", { text, ablate: { contexts } });
    assert.ok(without.log_probs.on[6] < whole.on[6]);
    assert.equal(
      await sentence.locator("[data-on]").textContent(),
      percentOf(Math.exp(without.log_probs.on[6])),
    );
    await page.getByRole("button", { name: "Let it remember again" }).click();
    await sentence.getByText("of the say here").waitFor();
    assert.deepEqual(complaints, []);
  });

  test("are taken away by the length of their n-grams", async () => {
    const { page } = await inspector.open("#/text?k=6");
    await stripTokens(page);
    const group = page.getByRole("group", { name: "Take away counts" });
    assert.equal(await group.getByRole("button").count(), 3);
    await group.getByRole("button", { name: "Take away count 4-grams" }).click();
    await page.getByText("without counted 4-grams").first().waitFor();
    const text = "the cat sat on the mat and the Cat sat on THE mat again";
    const { log_probs } = await inspector.ask("engram/inspect", { text, ablate: { counts: [4] } });
    const loss = page.locator('[data-loss="on"]');
    assert.equal(await loss.textContent(), (-log_probs.on[6] / Math.LN2).toFixed(2));
  });
});
