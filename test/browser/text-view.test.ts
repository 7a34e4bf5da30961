/** The first two views: a text as its tokens, and the token that is looked at. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, describe, test } from "node:test";
import { rowsForIds } from "../../src/memory/index.ts";
import {
  contrast,
  type Inspector,
  luminance,
  startInspector,
  stripTokens,
  tokensOf,
  withoutBrowser,
} from "./inspector.ts";

const text = "the cat sat on the mat\nand ü";
const place = `#/text?${new URLSearchParams({ t: text })}`;

describe("the text view", { skip: withoutBrowser }, async () => {
  if (withoutBrowser !== false) return;
  const inspector: Inspector = await startInspector();
  after(() => inspector.close());
  const report = await inspector.ask("engram/inspect", { text, top: 8 });
  const gates: number[] = report.layers[0].after.gates.flat();

  test("shows every token with the gate that the server tells, larger gates darker", async () => {
    const { page, complaints } = await inspector.open(`${place}&f=0`, { colorScheme: "light" });
    // One more stands for what comes next.
    const tokens = (await stripTokens(page)).slice(0, -1);
    assert.equal(tokens.length, report.tokens.length);
    for (const [t, { text: shown, says }] of tokens.entries()) {
      const own: string = report.tokens[t].text;
      const expected = own.startsWith("bytes:")
        ? own.slice(6)
        : own.replaceAll(" ", "·").replaceAll("\n", "↵");
      assert.equal(shown, expected);
      assert.ok(says.endsWith(`gate ${gates[t]!.toFixed(3)}`), says);
    }
    const byGate = tokens
      .map(({ background }, t) => ({ gate: gates[t]!, light: luminance(background) }))
      .toSorted((a, b) => a.gate - b.gate);
    for (const [i, { gate, light }] of byGate.entries())
      if (i > 0 && gate - byGate[i - 1]!.gate > 0.01) assert.ok(light < byGate[i - 1]!.light);
    for (const { background, ink } of tokens) assert.ok(contrast(background, ink) >= 4.5);
    assert.deepEqual(complaints, []);
  });

  test("tells rows, n-grams and spellings of the token that has the focus", async () => {
    const { page } = await inspector.open(place);
    await stripTokens(page);
    const { layers } = rowsForIds({
      config: inspector.model.config.engram!,
      ids: report.tokens.map(({ id }: { id: number }) => id),
      tokenMap: inspector.model.rows!.tokenMap,
    });
    for (const t of [0, 3, report.tokens.length - 1]) {
      await tokensOf(page).nth(t).focus();
      await page.locator(`[data-token="${t}"]`).waitFor();
      for (const [reading, at] of [
        ["before", t - 1],
        ["after", t],
      ] as const)
        assert.deepEqual(
          await page
            .locator(`[data-reading="${reading}"] [data-row]`)
            .evaluateAll((found) => found.map((row) => (row as HTMLElement).dataset["row"]!)),
          (layers["1"]![at] ?? []).map((row) => `1:${row}`),
        );
      const panel = page.locator(`[data-token="${t}"]`);
      assert.ok((await panel.textContent())!.includes(gates[t]!.toFixed(3)));
      const { compressed } = report.tokens[t];
      const shared = report.spellings[compressed].total;
      assert.match(
        (await panel.locator("h3").first().textContent())!,
        shared === 1 ? /^\s*No other token/ : new RegExp(`^\\s*${shared} tokens share`),
      );
    }
    assert.equal(await page.locator('[data-token="3"]').count(), 0);
  });

  test("shows what the pointer rests on, and the chosen one again when it leaves", async () => {
    const { page } = await inspector.open(`${place}&k=2`);
    await stripTokens(page);
    await page.locator('[data-token="2"]').waitFor();
    await tokensOf(page).nth(4).hover();
    await page.locator('[data-token="4"]').waitFor();
    await page.getByRole("heading", { name: "Text", level: 1 }).hover();
    await page.locator('[data-token="2"]').waitFor();
  });

  test("names the other n-grams of a corpus on each row, and says so where there is none", async () => {
    const { page } = await inspector.open(`${place}&k=3`);
    await page.getByText("No corpus is given").waitFor();
    const own = page.locator('[data-reading="after"]');
    assert.equal(await own.locator("summary").count(), 0);
    await page.getByRole("button", { name: "Use the text above" }).click();
    await own.locator("summary").first().waitFor();
    const rows = report.layers[0].after.rows[3];
    const { corpus } = await inspector.ask("engram/corpus", { text });
    const told = await inspector.ask("engram/rows", { corpus: corpus.id, layer: 1, rows });
    await own.locator("summary").first().click();
    const listed = await own.locator("details[open] li").allTextContents();
    assert.equal(listed.length, told.rows[0].corpus.ngrams.length);
    for (const [i, { count }] of told.rows[0].corpus.ngrams.entries())
      assert.ok(listed[i]!.trim().startsWith(`${count}×`));
  });

  test("writes on, token by token: pause holds, one token is one, and the link keeps it all", async () => {
    const { page, complaints } = await inspector.open(place);
    const before = (await stripTokens(page)).length;
    await page.getByLabel("Tokens", { exact: true }).fill("60");
    // The likeliest, always: chance could end the text before the sixtieth.
    await page.getByLabel("Temperature").fill("0");
    await page.getByRole("combobox", { name: /Pace/ }).selectOption({ label: "4 tokens/s" });
    await page.getByRole("button", { name: "Let the model go on" }).click();
    await page.locator(".token.written").nth(1).waitFor();
    await page.getByRole("button", { name: "Pause" }).click();
    const options = tokensOf(page);
    const held = await options.count();
    // Time in which four tokens a second would have shown.
    await page.waitForTimeout(600);
    assert.equal(await options.count(), held);
    await page.getByRole("button", { name: "One token" }).click();
    assert.equal(await options.count(), held + 1);
    await page.getByRole("combobox", { name: /Pace/ }).selectOption({ label: "as they come" });
    await page.getByRole("button", { name: "Go on", exact: true }).click();
    await page.getByText("60 tokens written by the model follow").waitFor();
    // What is said of a text may stand a frame before its last token.
    await options.nth(before + 59).waitFor();
    assert.equal(await options.count(), before + 60);
    const written = (await stripTokens(page)).slice(before - 1, -1);
    const ids = new URLSearchParams(page.url().split("?")[1]).get("g")!.split(".").map(Number);
    assert.equal(ids.length, 60);
    const again = await inspector.ask("engram/inspect", { text, continuation: ids });
    for (const [i, { says }] of written.entries())
      assert.ok(says.endsWith(again.layers[0].after.gates[before - 1 + i][0].toFixed(3)), says);
    await page.reload();
    assert.deepEqual(await stripTokens(page), await stripTokens(page));
    assert.equal(await options.count(), before + 60);
    assert.deepEqual(complaints, []);
  });

  test("can be asked other things while a text is being written", async () => {
    const { page } = await inspector.open(place);
    await stripTokens(page);
    // A number out of range is said at its field, and nothing is written.
    for (const [name, number] of [
      ["Tokens", "0"],
      ["Temperature", ""],
    ] as const) {
      const field = page.getByLabel(name, { exact: true });
      const before = await field.inputValue();
      await field.fill(number);
      await page.getByRole("button", { name: "Let the model go on" }).click();
      assert.ok(await field.evaluate((one) => one === document.activeElement), name);
      await field.fill(before);
    }
    await page.getByLabel("Tokens", { exact: true }).fill("60");
    // The likeliest, always: chance could end the text before the sixtieth.
    await page.getByLabel("Temperature").fill("0");
    await page.getByRole("combobox", { name: /Pace/ }).selectOption({ label: "4 tokens/s" });
    await page.getByRole("button", { name: "Let the model go on" }).click();
    await page.locator(".token.written").first().waitFor();
    await tokensOf(page).nth(4).click();
    await page.locator('[data-token="4"]').waitFor();
    await page.getByRole("button", { name: "Size written" }).click();
    assert.ok((await stripTokens(page))[4]!.says.includes("of the stream written"));
    assert.equal(await page.getByRole("button", { name: "Pause" }).count(), 1);
    await page.getByRole("button", { name: "Stop" }).click();
    await page.getByRole("button", { name: "Let the model go on" }).waitFor();
  });

  test("is saved as JSON that holds the numbers, and as a picture that is not empty", async () => {
    const { page } = await inspector.open(place);
    await stripTokens(page);
    const save = async (name: string): Promise<{ file: string; bytes: Buffer }> => {
      const download = page.waitForEvent("download");
      await page.getByRole("button", { name }).click();
      const done = await download;
      return { file: done.suggestedFilename(), bytes: await readFile(await done.path()) };
    };
    const json = await save("Save the token strip as JSON");
    assert.equal(json.file, "engram-served-gate.json");
    const saved = JSON.parse(json.bytes.toString());
    assert.deepEqual(saved.layers, report.layers);
    assert.deepEqual(saved.log_probs, report.log_probs);
    const png = await save("Save the token strip as a PNG picture");
    assert.equal(png.file, "engram-served-gate.png");
    assert.deepEqual([...png.bytes.subarray(1, 4)], [...Buffer.from("PNG")]);
    // The browser reads its own picture back and counts its colours.
    const colours = await page.evaluate(async (base64) => {
      const blob = new Blob([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))]);
      const bitmap = await createImageBitmap(blob);
      const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
      const context = canvas.getContext("2d")!;
      context.drawImage(bitmap, 0, 0);
      const { data } = context.getImageData(0, 0, bitmap.width, bitmap.height);
      return new Set(new Uint32Array(data.buffer)).size;
    }, png.bytes.toString("base64"));
    assert.ok(colours > 50, `${colours} colours`);
  });
});
