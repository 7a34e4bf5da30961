/**
 * Every view as axe-core judges it, by the rules of WCAG 2.2 AA: light, dark, in forced colours, and zoomed to 200 %; and
 * as a reader without a pointer walks it.
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, describe, test } from "node:test";
import type { AxeResults } from "axe-core";
import type { Page } from "playwright-core";
import { type Inspector, startInspector, withoutBrowser } from "./inspector.ts";

/** What stands in a view when it has its answers. */
const ready: Readonly<Record<string, string>> = {
  start: "[data-sentence]",
  machine: "[data-stage=next]",
  text: "[data-token]",
  teach: "[role=option]",
  memory: "[role=application]",
  runs: "main .notice, main table",
};
const standards = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];

describe("every view by the rules of WCAG", { skip: withoutBrowser }, async () => {
  if (withoutBrowser !== false) return;
  const inspector: Inspector = await startInspector();
  after(() => inspector.close());
  const source = await readFile(createRequire(import.meta.url).resolve("axe-core"), "utf8");

  async function faults(page: Page): Promise<string[]> {
    const { violations, passes } = (await page.evaluate(
      `axe.run(document, { runOnly: ${JSON.stringify(standards)} })`,
    )) as AxeResults;
    assert.ok(passes.length > 10, "axe has looked");
    return violations.flatMap(({ id, nodes }) =>
      nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 160)} ${failureSummary}`),
    );
  }

  for (const [view, sign] of Object.entries(ready))
    test(view, async () => {
      const { page, complaints } = await inspector.open(`#/${view}`, { colorScheme: "light" });
      await page.locator(sign).first().waitFor();
      await page.evaluate(source);
      assert.deepEqual(await faults(page), [], "light");
      await page.emulateMedia({ colorScheme: "dark" });
      await page.waitForFunction(() => document.documentElement.dataset["theme"] === "dark");
      assert.deepEqual(await faults(page), [], "dark");
      await page.emulateMedia({ forcedColors: "active" });
      assert.deepEqual(await faults(page), [], "forced colours");
      await page.emulateMedia({ forcedColors: "none" });
      // What a window of 1280 pixels has at 200 %.
      await page.setViewportSize({ width: 640, height: 450 });
      assert.deepEqual(await faults(page), [], "200 %");
      const overflow = await page.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
      );
      assert.ok(overflow <= 0, `${overflow} pixels at 200 %`);
      assert.deepEqual(complaints, []);
    });

  test("every view is reached and walked with the keyboard alone", async () => {
    const { page, complaints } = await inspector.open("#/start");
    const names = page.getByRole("navigation").getByRole("link");
    await page.locator(ready["start"]!).first().waitFor();
    for (const name of await names.allTextContents()) {
      // As after a new address: from the top.
      await page.evaluate(() => (document.activeElement as HTMLElement).blur());
      await page.evaluate(() => getSelection()!.setPosition(document.body));
      await tabTo(page, name);
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
});

/** More stops than any view has. */
const mostStops = 400;

/** Moves on until the link or button of that name has the focus. */
async function tabTo(page: Page, name: string): Promise<void> {
  for (let i = 0; i < mostStops; i++) {
    await page.keyboard.press("Tab");
    if ((await page.evaluate(() => document.activeElement!.textContent!.trim())) === name) return;
  }
  assert.fail(`Tab does not reach "${name}"`);
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
