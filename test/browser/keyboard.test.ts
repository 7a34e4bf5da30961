/**
 * Every view as a reader without a pointer uses it: Tab reaches all that can be used, and comes back to where it began; the
 * focus is seen, and stays where it was used; Enter, the space bar and arrows do what a click does.
 */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import type { Locator, Page } from "playwright-core";
import type { RunSource } from "../../src/server/index.ts";
import { answered, type Inspector, startInspector, withoutBrowser } from "./inspector.ts";

/** Of two steps. */
const run: RunSource = {
  name: "a run",
  summary: async () => ({
    name: "a run",
    state: "finished",
    updatedAt: 0,
    step: 2,
    steps: 2,
    tokens: 200,
    seconds: 1,
    numParams: 1000,
    numRows: 100,
    loss: 2,
    tokensPerSecond: 200,
    gates: {},
    validBitsPerByte: undefined,
    validStep: undefined,
    bitsPerByteWithoutMemory: undefined,
    bitsPerByteTrainedWithout: undefined,
    settings: {},
  }),
  read: async ({ cursor }) => ({
    lines: cursor === "" ? [1, 2].map((step) => ({ step, loss: 4 / step, lr: 1e-3 })) : [],
    cursor: "end",
    isRestart: false,
    isEnd: true,
  }),
};

/** Here there are curves. */
const ready: typeof answered = { ...answered, runs: "main [role=application]" };

/** What is used: where, its role and name, the keys, and what is there then. */
type Use = readonly [
  hash: string,
  role: Parameters<Page["getByRole"]>[0],
  name: string | RegExp,
  keys: readonly string[],
  then: (page: Page) => Locator,
];

const uses: readonly Use[] = [
  [
    "#/start",
    "button",
    "Make it forget this",
    ["Space"],
    (page) => page.getByRole("button", { name: "Let it remember again" }),
  ],
  [
    "#/start",
    "checkbox",
    /^Memory on/,
    ["Space"],
    (page) => page.getByRole("heading", { name: "With the memory switched off" }),
  ],
  [
    "#/start",
    "combobox",
    "Chance",
    ["ArrowUp"],
    (page) => page.locator("button:disabled", { hasText: "Throw again" }),
  ],
  ["#/start?k=3", "option", /./, ["ArrowRight"], (page) => page.locator('[data-moment="4"]')],
  [
    "#/machine",
    "button",
    /^Walk through it/,
    ["Space"],
    (page) => page.getByRole("heading", { name: /^Step 1 of/ }),
  ],
  [
    "#/machine",
    "link",
    /rows of the table/,
    ["Enter"],
    (page) => page.locator('[data-stage="rows"].lit'),
  ],
  [
    "#/text?k=3",
    "option",
    /./,
    ["ArrowRight", "ArrowRight"],
    (page) => page.locator('[data-token="5"]'),
  ],
  [
    "#/text",
    "button",
    "Change in loss",
    ["Enter"],
    (page) => page.getByRole("button", { name: "Change in loss", pressed: true }),
  ],
  [
    "#/text",
    "button",
    "Take away head 0",
    ["Space"],
    (page) => page.getByRole("button", { name: /head 0/, pressed: true }),
  ],
  ["#/text", "slider", "Scale", ["Home"], (page) => page.getByText("×0.00", { exact: true })],
  [
    "#/memory",
    "button",
    "Filled",
    ["Enter"],
    (page) => page.getByRole("button", { name: "Filled", pressed: true }),
  ],
  [
    "#/memory",
    "application",
    /^2-grams, head 1/,
    ["ArrowRight", "Enter"],
    (page) => page.getByRole("button", { name: "Farther out" }),
  ],
  [
    "#/runs",
    "checkbox",
    "a run",
    ["Space"],
    (page) => page.getByRole("checkbox", { name: "a run", checked: false }),
  ],
];

describe("every view with the keyboard alone", { skip: withoutBrowser }, async () => {
  if (withoutBrowser !== false) return;
  let training = "idle";
  const inspector: Inspector = await startInspector({
    runs: [run],
    training: {
      state: () => ({
        state: training,
        step: 0,
        steps: 10,
        seconds_left: null,
        note: "",
        sample: null,
      }),
      start: () => void (training = "running"),
      stop: () => void (training = "stopped"),
    },
  });
  after(() => inspector.close());

  test("every view is reached and walked with the keyboard alone", async () => {
    const { page, complaints } = await inspector.open("#/start");
    const names = page.getByRole("navigation").getByRole("link");
    await page.locator(ready["start"]!).first().waitFor();
    for (const name of await names.allTextContents()) {
      await fromTheTop(page);
      await tabTo(page, page.getByRole("navigation").getByRole("link", { name, exact: true }));
      await page.keyboard.press("Enter");
      const view = await page.evaluate(() => location.hash.replace(/^#\/(\w+).*/, "$1"));
      await page.locator(ready[view]!).first().waitFor();
      const { stops, faults: found } = await walk(page);
      assert.ok(stops > 8, `${view}: ${stops} stops`);
      assert.deepEqual(found, [], view);
    }
    assert.deepEqual(complaints, []);
  });

  test("a dialog opens, closes and gives the focus back with the keyboard alone", async () => {
    const { page } = await inspector.open("#/start");
    await page.locator(ready["start"]!).first().waitFor();
    const opener = page.getByRole("button", { name: "Your own text" });
    await opener.focus();
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").waitFor();
    const isInside = await page.evaluate(
      () => document.querySelector("dialog[open]")?.contains(document.activeElement) === true,
    );
    assert.ok(isInside);
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "hidden" });
    assert.ok(await opener.evaluate((button) => button === document.activeElement));
  });

  for (const [hash, role, name, keys, then] of uses)
    test(`${hash}: ${role} "${name}" by ${keys.join(", ")}`, async () => {
      const { page, complaints } = await inspector.open(hash);
      await page.locator(ready[/\w+/.exec(hash)![0]]!).first().waitFor();
      assert.equal(await then(page).isVisible(), false, "not before it is used");
      await fromTheTop(page);
      await tabTo(page, page.getByRole(role, { name }));
      for (const key of keys) await page.keyboard.press(key);
      await then(page).waitFor();
      assert.ok(await keepsPlace(page), "the place is lost");
      assert.deepEqual(complaints, []);
    });

  test("a fact is typed, taught and taken back", async () => {
    const { page, complaints } = await inspector.open("#/teach");
    await page.locator(ready["teach"]!).first().waitFor();
    await fromTheTop(page);
    for (const [label, text] of [
      ["When a text says", "the cat on the mat is"],
      ["it goes on", "red"],
      ["It is about (optional)", ""],
    ] as const) {
      await tabTo(page, page.getByLabel(label, { exact: true }));
      await page.keyboard.press("Delete");
      await page.keyboard.type(text);
    }
    await tabTo(page, page.getByRole("button", { name: "Teach", exact: true }));
    await page.keyboard.press("Enter");
    await page.getByText("Taught in").waitFor();
    assert.ok(await keepsPlace(page), "the place is lost");
    await tabTo(page, page.getByRole("button", { name: "Undo" }));
    await page.keyboard.press("Space");
    await page.getByText("Nothing of it is left").waitFor();
    // The button that was pressed is gone; the way back has the focus, and then the fact that it brought back.
    await page.locator("button:focus", { hasText: "Teach again" }).waitFor();
    await page.keyboard.press("Enter");
    await page.locator('[aria-label^="Look at"]:focus').waitFor();
    assert.deepEqual(complaints, []);
  });

  test("a training is begun and stopped", async () => {
    const { page, complaints } = await inspector.open("#/runs");
    await fromTheTop(page);
    await page.getByRole("button", { name: "Train on the sample text" }).waitFor();
    await tabTo(page, page.getByRole("button", { name: "Train on the sample text" }));
    await page.keyboard.press("Enter");
    const stop = page.getByRole("button", { name: "Stop" });
    await stop.waitFor();
    assert.ok(await keepsPlace(page), "the place is lost");
    await tabTo(page, stop);
    await page.keyboard.press("Space");
    await page.getByText("Stopped. Nothing of it was kept.").waitFor();
    assert.ok(await keepsPlace(page), "the place is lost");
    // A second click in a row neither stops it nor begins another.
    await page.getByRole("button", { name: "Train on the sample text" }).dblclick();
    await page.getByText(/^Step \d/).waitFor();
    assert.equal(await page.getByRole("alert").count(), 0);
    await stop.click();
    await page.getByText("Stopped. Nothing of it was kept.").waitFor();
    assert.deepEqual(complaints, []);
  });
});

/** More stops than any view has. */
const mostStops = 400;

/** As after a new address. */
async function fromTheTop(page: Page): Promise<void> {
  await page.evaluate(() => (document.activeElement as HTMLElement).blur());
  await page.evaluate(() => getSelection()!.setPosition(document.body));
}

/** Moves on until one that it finds has the focus, unless it has it. */
async function tabTo(page: Page, wanted: Locator): Promise<void> {
  for (let i = 0; i < mostStops; i++) {
    const focused = await wanted.evaluateAll((all) =>
      all.some((one) => one === document.activeElement),
    );
    if (focused) return;
    await page.keyboard.press("Tab");
  }
  assert.fail(`Tab does not reach ${wanted}`);
}

/** Whether what was used has the focus, or, where it is gone, Tab goes on from there: else it begins at the top again. */
async function keepsPlace(page: Page): Promise<boolean> {
  if (await page.evaluate(() => document.activeElement !== document.body)) return true;
  await page.keyboard.press("Tab");
  return page.evaluate(() => document.activeElement!.closest("main") !== null);
}

/** All stops from where the focus is to where it was before; and whatever is wrong with them, or is no stop. */
async function walk(page: Page): Promise<{ stops: number; faults: string[] }> {
  const all: string[] = [];
  let stops = 0;
  for (; stops < mostStops; stops++) {
    await page.keyboard.press("Tab");
    const fault = await page.evaluate(() => {
      const element = document.activeElement as HTMLElement;
      if (element === document.body) return "";
      if (element.dataset["walked"] !== undefined) return undefined;
      element.dataset["walked"] = "";
      const says = `${element.tagName} "${(element.ariaLabel ?? element.textContent ?? "").trim().slice(0, 40)}"`;
      const box = element.getBoundingClientRect();
      // Drawings and file choosers show it on what is in them or beside them.
      const shown = element.closest("label") ?? element;
      const look = (): string =>
        [shown, ...shown.querySelectorAll("*")]
          .map((one) => getComputedStyle(one))
          .map((style) => [style.outline, style.boxShadow, style.borderColor, style.stroke].join())
          .join(";");
      const focused = look();
      element.blur();
      const isShown = look() !== focused;
      element.focus();
      if (!isShown) return `${says} does not show the focus`;
      const isInSight =
        box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
      return isInSight ? "" : `${says} has the focus out of sight`;
    });
    if (fault === undefined) break;
    if (fault !== "") all.push(fault);
  }
  if (stops === mostStops) all.push("the walk does not come back to where it began");
  const missed = await page.evaluate(() => {
    const found: string[] = [];
    const walked = (element: Element | null | undefined): boolean =>
      element?.querySelector("[data-walked]") != null;
    for (const element of document.querySelectorAll<HTMLElement>(
      "a[href], button, input, select, textarea, summary, [tabindex]:not(main)",
    )) {
      if (element.dataset["walked"] !== undefined || !element.checkVisibility()) continue;
      if (element.matches(":disabled") || element.closest("dialog:not([open])") !== null) continue;
      // Within these, arrows move: one of them is a stop.
      const group = element.closest("[role=listbox], [role=radiogroup], [role=application], svg");
      if (element.tabIndex < 0 && (walked(group) || walked(element))) continue;
      const { type, name } = element as HTMLInputElement;
      if (type === "radio" && document.querySelector(`[name="${name}"][data-walked]`)) continue;
      found.push(`no stop: ${element.outerHTML.slice(0, 120)}`);
    }
    for (const element of document.querySelectorAll<HTMLElement>("[data-walked]"))
      delete element.dataset["walked"];
    return found;
  });
  return { stops, faults: [...all, ...missed] };
}
