/** The first view: one token, what the memory did to it, in words and as a picture, and the model without it. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import type { Page } from "playwright-core";
import {
  excerpt as text,
  type Inspector,
  percentOf,
  startInspector,
  stripTokens,
  tokensOf,
  withoutBrowser,
} from "./inspector.ts";

async function sentenceOf(page: Page): Promise<string> {
  const words = await page.locator("[data-sentence]").innerText();
  return words.replaceAll(/\s+/g, " ");
}

describe("the first view", { skip: withoutBrowser }, async () => {
  if (withoutBrowser !== false) return;
  const inspector: Inspector = await startInspector();
  after(() => inspector.close());
  const ask = (more: object = {}) => inspector.ask("engram/inspect", { text, top: 8, ...more });
  const report = await ask();
  const { on, off } = report.log_probs;
  const gains: number[] = report.tokens.map((_: unknown, t: number) =>
    t <= report.num_hidden ? -1 : Math.exp(on[t]) - Math.exp(off[t]),
  );
  const best = gains.indexOf(Math.max(...gains));

  test("says in a sentence what the memory did to the token that it helped most", async () => {
    const { page, complaints } = await inspector.open();
    await stripTokens(page);
    const chosen = page.locator("[role=option][aria-selected=true]");
    assert.equal(await chosen.getAttribute("data-index"), String(best));
    const said = await sentenceOf(page);
    const [gate] = report.layers[0].after.gates[best - 1];
    assert.ok(
      said.includes(
        `from ${percentOf(Math.exp(off[best]))} to ${percentOf(Math.exp(on[best]))} (gate ${gate.toFixed(2)}).`,
      ),
      said,
    );
    const rows = await page.locator(".lookup .rows li .mono").allTextContents();
    assert.deepEqual(rows.map(Number), report.layers[0].after.rows[best - 1]);
    assert.deepEqual(complaints, []);
  });

  test("with a corpus, says who wrote the row and how much of it is its own", async () => {
    const { corpus } = await inspector.ask("engram/corpus", { name: "cats", text });
    const { page } = await inspector.open(`#/start?k=6`);
    await page.evaluate((id) => sessionStorage.setItem("engram.corpus", id), corpus.id);
    await page.reload();
    await page.getByText("in cats").waitFor();
    const found = await inspector.ask("engram/rows", {
      corpus: corpus.id,
      layer: 1,
      rows: report.layers[0].after.rows[5],
    });
    const said = await sentenceOf(page);
    const [, times] = /written by .* ([\d,]+) times? in cats; /.exec(said)!;
    const [, share] = /; (?:([\d.]+) % of|all of) row/.exec(said)!;
    const [, row] = /row ([\d,]+) is its own/.exec(said)!;
    const plain = (figure: string): number => Number(figure.replaceAll(",", ""));
    const told = found.rows.find((one: { row: number }) => one.row === plain(row!));
    const count = told.corpus.count * (share === undefined ? 1 : Number(share) / 100);
    assert.ok(Math.abs(count - plain(times!)) < 0.1, said);
  });

  test("forgets: the chance falls to what the server says without those rows, and comes back", async () => {
    const { page } = await inspector.open();
    await stripTokens(page);
    const chance = page.locator("[data-sentence] [data-on]");
    const before = await chance.textContent();
    assert.equal(before, percentOf(Math.exp(on[best])));
    const rows = report.layers[0].after.rows[best - 1].map((row: number) => ({ layer: 1, row }));
    const without = await ask({ ablate: { rows } });
    await page.getByRole("button", { name: "Make it forget this" }).click();
    await page.getByText("forgotten now").waitFor();
    assert.equal(await chance.textContent(), percentOf(Math.exp(without.log_probs.on[best])));
    assert.notEqual(await chance.textContent(), before);
    await page.getByRole("button", { name: "Let it remember again" }).click();
    await page.getByText(`After`).first().waitFor();
    await page.waitForFunction(
      (figure) => document.querySelector("[data-sentence] [data-on]")?.textContent === figure,
      before,
    );
  });

  test("writes on from there twice by one seed, each as the server writes it, the difference marked", async () => {
    const rows = [{ layer: 1, row: report.layers[0].after.rows[4][0] }];
    const { page } = await inspector.open(`#/start?k=5&a=r1:${rows[0]!.row}`);
    await tokensOf(page).first().waitFor();
    const prompt = report.tokens.slice(0, 5).map(({ id }: { id: number }) => id);
    const texts: string[] = [];
    for (const [which, engram] of [
      ["on", { ablate: { rows } }],
      ["off", { enabled: false }],
    ] as const) {
      const { choices } = await inspector.ask("v1/completions", {
        prompt,
        max_tokens: 40,
        temperature: 0.8,
        seed: 1,
        logprobs: 0,
        engram,
      });
      const tokens: string[] = choices[0].logprobs.tokens;
      const written = tokens.map((token) => token.replace(/^bytes:/, "")).join("");
      texts.push(written);
      await page.waitForFunction(
        ([name, end]) =>
          document.querySelector(`[data-continuation="${name}"]`)!.textContent!.endsWith(end!),
        [which, written] as const,
      );
    }
    assert.notEqual(texts[0], texts[1]);
    assert.ok((await page.locator("[data-continuation] mark").count()) > 1);
  });

  test("takes a reader's own text, and explains its words where they stand", async () => {
    const { page } = await inspector.open();
    await stripTokens(page);
    await page.getByRole("button", { name: "gate", exact: true }).first().click();
    await page.getByText("How far the model lets in").first().waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Your own text" }).click();
    await page.getByRole("textbox").fill("the mat sat");
    await page.getByRole("button", { name: "Look into it" }).click();
    await page.waitForFunction(() => /[?&]t=the\+mat\+sat/.test(location.hash));
    await page.waitForFunction(() => document.querySelectorAll("[role=option]").length < 20);
  });
});
