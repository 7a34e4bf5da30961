/** `engram dash` as a process, in a real browser: two runs, one of which grows while the page is open. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { appendFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import { noBrowser, savedJson, savedPicture, TestBrowser } from "./browser.ts";

const main = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

interface Line {
  readonly step: number;
  readonly loss: number;
  readonly [key: string]: unknown;
}

function line(step: number, { rate, gate }: { rate: number; gate: number | undefined }): Line {
  const pace = { numTokens: 100, tokensPerSecond: 400, seconds: 0.25 };
  return {
    step,
    loss: 1 + 8 * Math.exp(-step * rate),
    lr: 1e-3,
    gradientNorm: 1 / step,
    gates: gate === undefined ? {} : { 1: gate + step / 1000 },
    ...pace,
  };
}

const textOf = (lines: readonly object[]): string =>
  lines.map((one) => `${JSON.stringify(one)}\n`).join("");

const steps = (from: number, to: number, options: { rate: number; gate: number | undefined }) =>
  Array.from({ length: to - from + 1 }, (_, i) => line(from + i, options));

/** Resolves to the address that the command prints. */
async function addressOf(child: ChildProcess): Promise<string> {
  let said = "";
  for await (const part of child.stdout!.setEncoding("utf8")) {
    said += part as string;
    const [, url] = /at (http:\S+)\n/.exec(said) ?? [];
    if (url !== undefined) return url;
  }
  throw new Error(`engram dash ended early: ${said}`);
}

/** A run's line of the table, by column. */
async function rowOf(page: Page, name: string): Promise<Record<string, string>> {
  const runs = page.getByRole("region", { name: "Runs", exact: true });
  const headings = await runs.locator("thead th").allTextContents();
  const row = page
    .getByRole("row")
    .filter({ has: page.getByRole("checkbox", { name, exact: true }) });
  const cells = await row.locator("th, td").allTextContents();
  return Object.fromEntries(
    headings.map((heading, i) => [heading.trim(), cells[i]!.replaceAll(/\s+/g, " ").trim()]),
  );
}

describe("training runs in the browser", { skip: noBrowser }, async () => {
  if (noBrowser !== false) return;
  const root = await mkdtemp(join(tmpdir(), "engram-dash-"));
  const [done, going] = [join(root, "done"), join(root, "going")];
  for (const path of [done, going]) await mkdir(path);
  const without = { rate: 0.01, gate: undefined };
  const withMemory = { rate: 0.02, gate: 0.5 };
  await writeFile(
    join(done, "metrics.jsonl"),
    textOf([
      { step: 0, steps: 300, numParams: 1234, numRows: 0 },
      ...steps(1, 300, without),
      { step: 300, validBitsPerByte: 2.25 },
    ]),
  );
  await writeFile(
    join(done, "training.json"),
    JSON.stringify({ steps: 300, numParams: 1234, numRows: 0, bitsPerByte: 2.25 }),
  );
  const log = join(going, "metrics.jsonl");
  const begun = [
    { step: 0, steps: 400, numParams: 1234, numRows: 5000 },
    ...steps(1, 100, withMemory),
    { step: 100, validBitsPerByte: 2.5, sample: "once upon a time" },
  ];
  await writeFile(log, textOf(begun));
  for (const [path, lr] of [
    [done, 0.003],
    [going, 0.001],
  ] as const)
    await writeFile(
      join(path, "run.json"),
      JSON.stringify({ version: 1, seed: 0, training: { lr, batch: 8 } }),
    );
  const child = spawn(process.execPath, [main, "dash", done, going, "--port", "0"], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const url = await addressOf(child);
  const browser = new TestBrowser();
  after(async () => {
    await browser.close();
    child.kill("SIGTERM");
    await rm(root, { recursive: true, force: true });
  });
  const readings = (page: Page, chart: string) =>
    page.getByRole("region", { name: chart, exact: true }).getByRole("listitem").allTextContents();

  test("offers only what it has: no view of a model, no question that fails", async () => {
    const { page } = await browser.open("about:blank");
    const failed: string[] = [];
    page.on("response", (answer) => {
      if (answer.status() >= 400) failed.push(`${answer.status()} ${answer.url()}`);
    });
    await page.goto(url);
    await page.getByRole("region", { name: "Loss", exact: true }).waitFor();
    assert.deepEqual(await page.getByRole("navigation").getByRole("link").allTextContents(), [
      "Training",
    ]);
    assert.deepEqual(failed, []);
    // A link to a view of a model, from a server that had one.
    await page.goto(`${url.split("#")[0]}#/text`);
    await page.getByText("There is no model here, only training runs.").waitFor();
  });

  test("the settings in which runs differ stand below each other, and no others", async () => {
    const { page, complaints } = await browser.open(url);
    const panel = page.getByRole("region", { name: "What differs", exact: true });
    await panel.waitFor();
    assert.deepEqual(await panel.getByRole("columnheader").allTextContents(), [
      "Setting",
      "done",
      "going",
    ]);
    const rows = await panel.locator("tbody tr").all();
    assert.equal(rows.length, 1);
    assert.deepEqual(await rows[0]!.locator("th, td").allTextContents(), [
      "training.lr",
      "0.003",
      "0.001",
    ]);
    assert.deepEqual(complaints, []);
    await page.close();
  });

  test("both runs stand in the table with their last numbers, and in charts to read and keep", async () => {
    const { page, complaints } = await browser.open(url);
    await page.getByRole("region", { name: "Loss", exact: true }).waitFor();
    const first = await rowOf(page, "done");
    assert.deepEqual(
      [first["State"], first["Steps"], first["Bits/byte"], first["Gates"], first["Weights"]],
      ["finished", "300", "2.2500", "–", "1.23 k"],
    );
    const second = await rowOf(page, "going");
    const losses = begun.flatMap((one) => ("loss" in one ? [one.loss] : [])).slice(-50);
    const mean = losses.reduce((a, b) => a + b) / losses.length;
    assert.match(second["State"]!, /^running 1:15 left$/);
    assert.deepEqual(
      [second["Steps"], second["Loss"], second["Gates"], second["Time"], second["Tokens"]],
      ["100/400", mean.toFixed(3), "L1 0.60", "0:25", "10 k"],
    );
    const saved = (await savedJson(page, "Save loss as JSON")) as {
      curves: { name: string; x: number[]; y: number[] }[];
    };
    assert.deepEqual(
      saved.curves.map(({ name, x }) => [name, x.length]),
      [
        ["done", 300],
        ["going", 100],
      ],
    );
    const picture = await savedPicture(page, "Save loss as a PNG picture");
    assert.ok(picture.width > 800 && picture.height > 500 && picture.bytes > 10_000);
    assert.match((await readings(page, "Gates")).join(), /going, layer 1 +0\.59\d/);
    assert.match((await page.getByText("once upon a time").textContent()) ?? "", /once/);
    assert.deepEqual(complaints, []);
  });

  test("a log that grows, whole lines and half ones, is followed; one that is cut back is read anew", async () => {
    const { page } = await browser.open(url);
    await page.getByText("100/400").waitFor();
    const more = textOf(steps(101, 150, withMemory));
    await appendFile(log, more.slice(0, -40));
    await page.getByText("149/400").waitFor();
    await appendFile(log, more.slice(-40));
    await page.getByText("150/400").waitFor();
    const ofSteps = async (): Promise<number> => {
      const saved = (await savedJson(page, "Save loss as JSON")) as { curves: { x: number[] }[] };
      return saved.curves[1]!.x.length;
    };
    assert.equal(await ofSteps(), 150);
    await writeFile(log, textOf(begun.slice(0, 81)));
    await page.getByText("80/400").waitFor();
    assert.equal(await ofSteps(), 80);
    await writeFile(log, textOf(begun));
    await page.getByText("100/400").waitFor();
  });

  test("axis, smoothing, scale, range and hidden runs are kept in the address", async () => {
    const { page } = await browser.open(url);
    await page.getByRole("button", { name: "Time", exact: true }).click();
    await page.getByRole("button", { name: "Logarithmic" }).click();
    await page.getByRole("slider", { name: "Smoothing" }).fill("0");
    await page.getByRole("checkbox", { name: "done" }).uncheck();
    const address = page.url();
    for (const part of ["over=time", "log=1", "smooth=0", "hide=done"])
      assert.ok(address.includes(part), address);
    const again = await browser.open(address);
    await again.page.getByRole("region", { name: "Loss", exact: true }).waitFor();
    assert.equal(await again.page.getByRole("checkbox", { name: "done" }).isChecked(), false);
    const saved = (await savedJson(again.page, "Save loss as JSON")) as {
      over: string;
      curves: { name: string; x: number[]; y: number[] }[];
    };
    assert.equal(saved.over, "training time");
    assert.deepEqual(
      saved.curves.map(({ name }) => name),
      ["going"],
    );
    // Unsmoothed, a curve is the log.
    const expected = begun.flatMap((one) => ("loss" in one ? [one.loss] : []));
    assert.deepEqual(saved.curves[0]!.y, expected);
    assert.deepEqual(
      saved.curves[0]!.x,
      expected.map((_, i) => (i + 1) * 0.25),
    );
  });

  test("smoothing is the unbiased running mean of the log", async () => {
    const { page } = await browser.open(`${url}?smooth=0.9&hide=done`);
    await page.getByRole("region", { name: "Loss", exact: true }).waitFor();
    const saved = (await savedJson(page, "Save loss as JSON")) as { curves: { y: number[] }[] };
    const losses = begun.flatMap((one) => ("loss" in one ? [one.loss] : []));
    for (const [i, value] of saved.curves[0]!.y.entries()) {
      const weights = losses.slice(0, i + 1).map((_, j) => 0.9 ** (i - j));
      const total = weights.reduce((a, b) => a + b);
      const expected = weights.reduce((sum, weight, j) => sum + weight * losses[j]!, 0) / total;
      assert.ok(Math.abs(value - expected) < 1e-9, `step ${i + 1}: ${value} for ${expected}`);
    }
  });

  test("the arrow keys read a chart, plus looks closer, 0 at all", async () => {
    const { page } = await browser.open(`${url}?smooth=0&hide=going`);
    const chart = page.getByRole("application", { name: /^Loss over step/ });
    await chart.focus();
    await page.keyboard.press("Home");
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowRight");
    const said = await readings(page, "Loss");
    const [, step] = /step (\d+)/.exec(said[0]!) ?? [];
    assert.ok(Number(step) > 0 && Number(step) <= 8, said[0]);
    assert.ok(said[1]!.includes(line(Number(step), without).loss.toFixed(3)), said.join());
    await page.keyboard.press("+");
    // The address follows in the page's own time; it is waited for, and never comes if the key did nothing.
    await page.waitForURL(/range=0-/);
    await page.keyboard.press("0");
    await page.waitForURL((to) => !to.href.includes("range="));
  });

  test("dragging over one chart looks closer in all of them", async () => {
    const { page } = await browser.open(`${url}?hide=going`);
    const chart = page.getByRole("application", { name: /^Speed over step/ });
    await chart.scrollIntoViewIfNeeded();
    const box = (await chart.boundingBox())!;
    const y = box.y + box.height / 2;
    await page.mouse.move(box.x + box.width * 0.4, y);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.7, y, { steps: 5 });
    await page.mouse.up();
    await page.waitForURL(/range=/);
    const [, from, to] = /range=([\d.]+)-([\d.]+)/.exec(page.url())!;
    assert.ok(Number(from) > 60 && Number(from) < Number(to) && Number(to) < 240, page.url());
    await page.getByRole("button", { name: /show all/ }).click();
    await page.waitForURL((address) => !address.href.includes("range="));
  });

  test("views of a model say that there is none here, and lead to the runs", async () => {
    const { page, complaints } = await browser.open(new URL("#/text", url).href);
    await page.getByText("There is no model here").waitFor();
    await page.getByRole("link", { name: "Look at the runs" }).click();
    await page.getByRole("region", { name: "Loss", exact: true }).waitFor();
    const { page: start } = await browser.open(new URL("/", url).href);
    await start.getByRole("region", { name: "Loss", exact: true }).waitFor();
    assert.deepEqual(complaints, []);
  });

  test("in the dark and on a narrow screen everything is inside the page", async () => {
    const { page } = await browser.open(url, {
      viewport: { width: 360, height: 700 },
      colorScheme: "dark",
    });
    await page.getByRole("region", { name: "Loss", exact: true }).waitFor();
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= 360, `${width}`);
    assert.equal(await page.evaluate(() => document.documentElement.dataset["theme"]), "dark");
  });
});
