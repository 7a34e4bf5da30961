/** In the view of a text: the same text with the memory and without, and parts of the memory taken away. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import type { Page } from "playwright-core";
import {
  type Inspector,
  startInspector,
  stripTokens,
  tokensOf,
  withoutBrowser,
} from "./inspector.ts";

const text = "the cat sat on the mat and THE Cat";

function placeOf(more: Record<string, string> = {}): string {
  return `#/compare?${new URLSearchParams({ t: text, ...more })}`;
}

async function total(page: Page, which: "on" | "off"): Promise<string> {
  return (await page.locator(`[data-total="${which}"]`).textContent())!.trim();
}

describe("memory on and off", { skip: withoutBrowser }, async () => {
  if (withoutBrowser !== false) return;
  const inspector: Inspector = await startInspector();
  after(() => inspector.close());
  const ask = (more: object = {}) => inspector.ask("engram/inspect", { text, top: 8, ...more });
  const report = await ask();

  test("shows the bits per byte and the changes in loss that the server tells", async () => {
    const { page, complaints } = await inspector.open(placeOf());
    const tokens = await stripTokens(page);
    const { totals, log_probs: probs } = report;
    assert.equal(await total(page, "on"), totals.on.bits_per_byte.toFixed(3));
    assert.equal(await total(page, "off"), totals.off.bits_per_byte.toFixed(3));
    // One token more stands for what comes next; the first is predicted by nothing.
    assert.equal(tokens.length, report.tokens.length + 1);
    for (let t = 1; t < report.tokens.length; t++) {
      const bits = (probs.off[t] - probs.on[t]) / Math.LN2;
      const [, said] = /, ([+\u2212]?[\d.]+) bits$/.exec(tokens[t]!.says) ?? [];
      const number = Number(said!.replace("\u2212", "-"));
      assert.ok(Math.abs(number - bits) <= 0.0051, `${tokens[t]!.says}: ${bits}`);
    }
    assert.deepEqual(complaints, []);
  });

  test("does not sell what switching off costs as what the memory is worth", async () => {
    const { page } = await inspector.open(placeOf());
    const words = await page.locator("[data-neighbour]").innerText();
    assert.match(words, /learned to lean on/);
    assert.match(words, /2\.095 with memory, 2\.124 trained without, 2\.325 switched off/);
  });

  test("a scale of zero is the memory off: the same total, no token changed", async () => {
    const { page } = await inspector.open(placeOf());
    await stripTokens(page);
    assert.notEqual(await total(page, "on"), await total(page, "off"));
    await page.getByRole("slider", { name: "Scale" }).fill("0");
    await page.waitForFunction(
      () =>
        document.querySelector('[data-total="on"]')!.textContent ===
        document.querySelector('[data-total="off"]')!.textContent,
    );
    const tokens = await stripTokens(page);
    for (const { says } of tokens.slice(1, -1)) assert.match(says, /, 0\.00 bits$/);
    assert.match(page.url(), /[?&]s=0(&|$)/);
  });

  test("layers, orders, heads and single rows are taken away, and put back", async () => {
    const { page } = await inspector.open(placeOf({ k: "4" }));
    await stripTokens(page);
    const whole = await total(page, "on");
    const expect = async (ablate: object): Promise<void> => {
      const expected = (await ask({ ablate })).totals.on.bits_per_byte.toFixed(3);
      await page.waitForFunction(
        (figure) => document.querySelector('[data-total="on"]')!.textContent!.trim() === figure,
        expected,
      );
    };
    // Of one layer there is nothing to choose.
    assert.equal(await page.getByRole("button", { name: "Take away layer 1" }).count(), 0);
    for (const [name, ablate] of [
      ["Take away order 3-grams", { orders: [3] }],
      ["Take away head 0", { heads: [0] }],
    ] as const) {
      const button = page.getByRole("button", { name, exact: true });
      await button.click();
      await expect(ablate);
      assert.equal(await button.getAttribute("aria-pressed"), "true");
      await button.click();
      await expect({});
    }
    assert.equal(await total(page, "on"), whole);
    const row: number = report.layers[0].after.rows[3][0];
    const acted = page.locator('[data-reading="before"]');
    await acted.getByRole("button", { name: `remove row ${row}`, exact: true }).click();
    await expect({ rows: [{ layer: 1, row }] });
    assert.notEqual(await total(page, "on"), whole);
    await page.getByRole("button", { name: `Put back row ${row}`, exact: true }).click();
    await expect({});
    await acted.getByRole("button", { name: "remove all 4 rows" }).click();
    await expect({
      rows: report.layers[0].after.rows[3].map((each: number) => ({ layer: 1, row: each })),
    });
    await acted.getByRole("button", { name: "put back all 4 rows" }).click();
    await expect({});
    await page.evaluate(() => (location.hash += "&a=l1"));
    await page.waitForFunction(
      () =>
        document.querySelector('[data-total="on"]')!.textContent ===
        document.querySelector('[data-total="off"]')!.textContent,
    );
  });

  test("chances are those of the place before the token, with the text's own marked", async () => {
    const { page } = await inspector.open(placeOf({ k: "4" }));
    await stripTokens(page);
    const rows = page.locator("[data-chances] tbody tr");
    await rows.first().waitFor();
    const shown = await rows.evaluateAll((found) =>
      found.map((row) => ({
        on: row.querySelector("[data-on]")!.textContent!.trim(),
        off: row.querySelector("[data-off]")!.textContent!.trim(),
        isActual: row.classList.contains("actual"),
        widths: [...row.querySelectorAll<HTMLElement>(".bar")].map(
          (bar) => bar.getBoundingClientRect().width,
        ),
      })),
    );
    const next: { id: number; on: number; off: number }[] = report.next[3];
    for (const [i, { on, off }] of next.slice(0, 10).entries()) {
      for (const [share, figure] of [
        [Math.exp(on), shown[i]!.on],
        [Math.exp(off), shown[i]!.off],
      ] as const)
        assert.ok(Math.abs(parseFloat(figure) - 100 * share) < 0.06, `${figure}: ${share}`);
      const [offWidth, onWidth] = shown[i]!.widths as [number, number];
      assert.ok(offWidth > 3 && onWidth > 3);
      assert.ok(Math.abs(onWidth / offWidth - Math.exp(on - off)) < 0.15 * Math.exp(on - off));
    }
    assert.equal(shown.filter(({ isActual }) => isActual).length, 1);
  });

  test("the rows shown as what acted on a token are those without which its loss changes", async () => {
    const { page } = await inspector.open(placeOf({ k: "4" }));
    await stripTokens(page);
    const lossOf = (which: string) =>
      page.locator(`[data-token="4"] [data-loss="${which}"]`).textContent();
    const bits = (nats: number): string => (-nats / Math.LN2).toFixed(2);
    assert.equal(await lossOf("on"), bits(report.log_probs.on[4]));
    assert.equal(await lossOf("off"), bits(report.log_probs.off[4]));
    const rowsOf = (t: number) =>
      report.layers[0].after.rows[t].map((row: number) => ({ layer: 1, row }));
    for (const [reading, t] of [
      ["after", 4],
      ["before", 3],
    ] as const) {
      const block = page.locator(`[data-reading="${reading}"]`);
      await block.getByRole("button", { name: "remove all 4 rows" }).click();
      const { log_probs: found, totals } = await ask({ ablate: { rows: rowsOf(t) } });
      await page.waitForFunction(
        (figure) => document.querySelector('[data-total="on"]')!.textContent!.trim() === figure,
        totals.on.bits_per_byte.toFixed(3),
      );
      assert.equal(await lossOf("on"), bits(found.on[4]));
      assert.equal(
        (await lossOf("on")) === bits(report.log_probs.on[4]),
        reading === "after",
        "only what was read before a token acts on it",
      );
      await block.getByRole("button", { name: "put back all 4 rows" }).click();
      await page.waitForFunction(
        (figure) => document.querySelector('[data-total="on"]')!.textContent!.trim() === figure,
        report.totals.on.bits_per_byte.toFixed(3),
      );
    }
  });

  test("a link restores the text, the place, the scale and what was taken away", async () => {
    const { page } = await inspector.open(placeOf({ k: "5", s: "0.5", a: "o2 h1 r1:7" }));
    const tokens = await stripTokens(page);
    const { totals } = await ask({
      scale: 0.5,
      ablate: { orders: [2], heads: [1], rows: [{ layer: 1, row: 7 }] },
    });
    assert.equal(await total(page, "on"), totals.on.bits_per_byte.toFixed(3));
    assert.equal(await page.getByLabel("Text to look into").inputValue(), text);
    assert.equal(await page.getByRole("slider", { name: "Scale" }).inputValue(), "0.5");
    assert.equal(
      await tokensOf(page).nth(5).getAttribute("aria-selected"),
      "true",
      tokens[5]!.says,
    );
    for (const name of ["Take away order 2-grams", "Take away head 1"])
      assert.equal(
        await page.getByRole("button", { name }).getAttribute("aria-pressed"),
        "true",
        name,
      );
    await page.getByText("The memory is scaled by 0.50").waitFor();
  });

  test("what was taken away is missing when the model goes on, too", async () => {
    const { page } = await inspector.open(placeOf({ s: "2", a: "o2" }));
    await stripTokens(page);
    await page.getByLabel("Tokens", { exact: true }).fill("8");
    await page.getByLabel("Temperature").fill("0");
    await page.getByRole("combobox", { name: /Pace/ }).selectOption({ label: "as they come" });
    await page.getByRole("button", { name: "Let the model go on" }).click();
    await page.getByText("8 tokens written by the model follow").waitFor();
    const written = new URLSearchParams(page.url().split("?")[1]).get("g")!;
    const ids = report.tokens.map(({ id }: { id: number }) => id);
    const { choices } = await inspector.ask("v1/completions", {
      prompt: ids,
      max_tokens: 9,
      temperature: 0,
      engram: { scale: 2, ablate: { orders: [2] }, return: ["gates"] },
    });
    const { start, tokens } = choices[0].engram;
    assert.equal(written, tokens.slice(ids.length - start).join("."));
  });
});
