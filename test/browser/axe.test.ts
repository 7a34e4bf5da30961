/** Every view as axe-core judges it, by the rules of WCAG 2.2 AA: light, dark, in forced colours, and zoomed to 200 %. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, describe, test } from "node:test";
import type { AxeResults } from "axe-core";
import type { Page } from "playwright-core";
import { answered, type Inspector, startInspector, withoutBrowser } from "./inspector.ts";

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

  for (const [view, sign] of Object.entries(answered))
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
});
