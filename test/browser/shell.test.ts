/** What holds for the whole page: who it talks to, its key, its colours, keyboards, names, its size. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import type { Page } from "playwright-core";
import { gzipSync } from "node:zlib";
import {
  contrast,
  excerpt,
  type Inspector,
  startInspector,
  stripTokens,
  tokensOf,
  withoutBrowser,
} from "./inspector.ts";

/** Bytes of gzip that a first visit may load. */
const mostFirstBytes = 150_000;

describe("the page", { skip: withoutBrowser }, async () => {
  if (withoutBrowser !== false) return;
  const idle = { step: 0, steps: 200, seconds_left: null, note: "", sample: null };
  let training = "idle";
  const inspector: Inspector = await startInspector({
    training: {
      state: () => ({ state: training, ...idle }),
      start: () => void (training = "running"),
      stop: () => undefined,
    },
  });
  after(() => inspector.close());

  test("talks to its own server only, and may not do otherwise", async () => {
    const { page, requests, complaints } = await inspector.open();
    await stripTokens(page);
    for (const view of ["Machine", "Text", "Table", "Training"])
      await page.getByRole("navigation").getByRole("link", { name: view, exact: true }).click();
    assert.ok(requests.length > 5);
    for (const url of requests) assert.ok(url.startsWith(`${inspector.url}/`), url);
    assert.deepEqual(complaints, []);
    const response = await page.request.get(inspector.url);
    const policy = response.headers()["content-security-policy"]!;
    assert.match(policy, /default-src 'none'/);
    for (const part of policy.split("; "))
      assert.match(part, /^[a-z-]+ ('none'|'self'( blob:)?)$/, part);
    const blocked = await page.evaluate(() =>
      fetch("http://example.invalid/").then(
        () => "sent",
        () => "blocked",
      ),
    );
    assert.equal(blocked, "blocked");
    assert.match(complaints.join(), /Content Security Policy/);
  });

  test("loads less than 150 kB of gzip at first, hashed files for good", async () => {
    const { page } = await inspector.open();
    await stripTokens(page);
    const files = await page.evaluate(() => [
      location.href.split("#")[0]!,
      ...performance
        .getEntriesByType("resource")
        .map(({ name }) => name)
        .filter((name) => /\.(js|css|svg)$/.test(name)),
    ]);
    assert.ok(files.length >= 4);
    let bytes = 0;
    for (const file of files) {
      const response = await page.request.get(file);
      bytes += gzipSync(await response.body(), { level: 9 }).length;
      if (file.includes("/assets/"))
        assert.match(response.headers()["cache-control"]!, /immutable/);
    }
    assert.ok(bytes < mostFirstBytes, `${bytes} bytes`);
  });

  test("can be walked with the keyboard alone", async () => {
    const { page } = await inspector.open("#/text?t=the+cat+sat+on+the+mat");
    await stripTokens(page);
    const focused = (): Promise<string> =>
      page.evaluate(() => {
        const element = document.activeElement as HTMLElement;
        return element.ariaLabel ?? element.textContent?.trim() ?? element.id;
      });
    await page.keyboard.press("Tab");
    assert.equal(await focused(), "Skip to the content");
    const seen: string[] = [];
    // Every stop from the skip link on; the strip is one of them.
    for (let i = 0; i < 30 && !seen.at(-1)?.includes("gate"); i++) {
      await page.keyboard.press("Tab");
      seen.push(await focused());
    }
    for (const name of [
      "Start",
      "Text",
      "Switch to dark colours",
      "Copy link",
      "Save the token strip as JSON",
    ])
      assert.ok(seen.includes(name), `${name} is not among ${seen.join(", ")}`);
    const token = async (): Promise<number> =>
      page.evaluate(() => Number((document.activeElement as HTMLElement).dataset["index"]));
    assert.equal(await token(), 0);
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowRight");
    assert.equal(await token(), 2);
    await page.locator('[data-token="2"]').waitFor();
    await page.keyboard.press("End");
    assert.equal(await token(), (await tokensOf(page).count()) - 1);
    await page.keyboard.press("Home");
    assert.equal(await token(), 0);
    await page.keyboard.press("Tab");
    assert.ok(!(await focused()).includes("gate"), "one Tab leaves the strip");
  });

  test("moves up and down between the lines of the strip", async () => {
    const { page } = await inspector.open("#/text?t=the+cat%0Asat+on%0Athe+mat");
    await stripTokens(page);
    await tokensOf(page).nth(1).focus();
    const top = (): Promise<number> =>
      page.evaluate(() => document.activeElement!.getBoundingClientRect().top);
    const first = await top();
    await page.keyboard.press("ArrowDown");
    const second = await top();
    assert.ok(second > first + 10);
    await page.keyboard.press("ArrowUp");
    assert.ok(Math.abs((await top()) - first) < 8);
  });

  for (const [scheme, view] of [
    ["light", "text"],
    ["dark", "text"],
    ["light", "teach"],
    ["dark", "teach"],
  ] as const)
    test(`is named and readable in the ${view} view, ${scheme}`, async () => {
      const { page } = await inspector.open(`#/${view}?k=3&a=h1`, { colorScheme: scheme });
      await stripTokens(page);
      if (view !== "teach") await page.locator('[data-token="3"]').waitFor();
      assert.deepEqual(await unnamedControls(page), []);
      const pale = (await textColours(page)).filter(
        ({ ink, ground, isLarge }) => contrast(ink, ground) < (isLarge ? 3 : 4.5),
      );
      assert.deepEqual(pale, []);
      const landmarks = await page.evaluate(() =>
        ["header", "nav", "main", "h1"].map((name) => document.querySelectorAll(name).length),
      );
      assert.ok(landmarks.every((count) => count >= 1));
      assert.equal(await page.evaluate(() => document.documentElement.lang), "en");
    });

  test("fits a narrow window without being pushed sideways", async () => {
    for (const view of ["start", "machine", "text", "teach"]) {
      const { page } = await inspector.open(`#/${view}?k=3`, {
        viewport: { width: 400, height: 800 },
      });
      await stripTokens(page);
      const overflow = await page.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
      );
      assert.ok(overflow <= 0, `${view}: ${overflow} pixels`);
    }
  });

  for (const width of [1400, 1100, 390, 320])
    test(`every control is whole, wide enough for a finger and called what it shows, at ${width} pixels`, async () => {
      for (const view of ["start", "machine", "text", "memory", "teach"]) {
        const { page } = await inspector.open(`#/${view}?k=3&a=h1+r1:5`, {
          viewport: { width, height: 800 },
        });
        if (view === "memory") await page.getByRole("button", { name: "A text" }).waitFor();
        else {
          await stripTokens(page);
          if (view === "text") {
            await page.getByRole("button", { name: "Use the text above" }).click();
            await page.locator("[data-row] summary").first().waitFor();
          }
        }
        assert.deepEqual(await controlFaults(page), [], view);
      }
    });

  test("a model that was trained here is asked for, whatever view is open when it is done", async () => {
    const { page, complaints } = await inspector.open("#/runs");
    await page.route("**/props", async (route) => {
      const response = await route.fetch();
      const props = (await response.json()) as { held_out: object };
      const [model, own] =
        training === "finished" ? ["made here", "the mat sat on the cat"] : ["another", excerpt];
      const held_out = { ...props.held_out, excerpts: [own] };
      await route.fulfill({ response, json: { ...props, model, held_out } });
    });
    await page.getByRole("button", { name: "Train on the sample text" }).click();
    await page.getByText("Step 0 of 200").waitFor();
    await page.getByRole("navigation").getByRole("link", { name: "Start", exact: true }).click();
    await page.locator("[data-sentence]").waitFor();
    const asked = page.waitForRequest("**/engram/inspect");
    training = "finished";
    // Its own held-out text takes the place of the other's.
    assert.match((await asked).postData()!, /the mat sat on the cat/);
    await page.getByTitle("The model that is served").getByText("made here").waitFor();
    await page.unrouteAll({ behavior: "ignoreErrors" });
    assert.deepEqual(complaints, []);
  });

  test("follows the system's colours until the reader chooses, and remembers the choice", async () => {
    const { page } = await inspector.open("", { colorScheme: "dark" });
    const theme = (): Promise<string | undefined> =>
      page.evaluate(() => document.documentElement.dataset["theme"]);
    await stripTokens(page);
    assert.equal(await theme(), "dark");
    await page.emulateMedia({ colorScheme: "light" });
    // The page is told of the change a moment later.
    await page.waitForFunction(() => document.documentElement.dataset["theme"] === "light");
    await page.getByRole("button", { name: "Switch to dark colours" }).click();
    assert.equal(await theme(), "dark");
    await page.reload();
    assert.equal(await theme(), "dark");
    await page.getByRole("button", { name: "Switch to light colours" }).click();
    assert.equal(await theme(), "light");
  });

  test("a browser that may keep nothing, and files that come late, are no hindrance", async () => {
    const { page, complaints } = await inspector.open("#/start");
    await page.addInitScript(() => {
      const get = (): never => {
        throw new DOMException("denied", "SecurityError");
      };
      for (const name of ["localStorage", "sessionStorage"])
        Object.defineProperty(globalThis, name, { get });
    });
    const script = "**/assets/index-*.js";
    await page.route(script, (route) => route.abort());
    await page.reload();
    await page.getByText("The page is on its way. If it stays away, load it anew.").waitFor();
    await page.unroute(script);
    await page.reload();
    await page.locator("[data-sentence]").waitFor();
    assert.equal(await page.getByText("The page is on its way").isVisible(), false);
    await page.getByRole("button", { name: "Switch to dark colours" }).click();
    await page.getByRole("button", { name: "Switch to light colours" }).waitFor();
    const style = "**/TextView*.css";
    await page.route(style, (route) => route.abort());
    await page.evaluate(`location.hash = "#/text"`);
    await page.getByText("This view could not be loaded.").waitFor();
    await page.unroute(style);
    await page.getByRole("button", { name: "Load the page anew" }).click();
    await stripTokens(page);
    const aside = page.locator("aside");
    assert.equal(await aside.evaluate((one) => getComputedStyle(one).position), "sticky");
    assert.deepEqual(
      complaints.filter((one) => !one.includes("Failed to load resource")),
      [],
    );
  });

  test("says what is wrong and goes on when the text is too long", async () => {
    const { page } = await inspector.open("#/text");
    await stripTokens(page);
    await page.getByLabel("Text to look into").fill("the cat ".repeat(5000));
    const alert = page.getByRole("alert");
    await alert.waitFor();
    assert.match((await alert.textContent())!, /an inspection reads at most 4096/);
    // Nothing of the text before is left under this one.
    assert.equal(await tokensOf(page).count(), 0);
    await page.getByLabel("Text to look into").fill("the cat");
    await alert.waitFor({ state: "detached" });
    assert.ok((await stripTokens(page)).length > 1);
  });
});

test(
  "a server with a key: the page asks for it, and keeps it in its tab",
  {
    skip: withoutBrowser,
  },
  async () => {
    const inspector = await startInspector({ apiKey: "open sesame" });
    try {
      const { page } = await inspector.open();
      const key = page.getByRole("textbox", { name: "Key" });
      await key.fill("sesame");
      await page.getByRole("button", { name: "Open" }).click();
      await page.getByText("That was not the key").waitFor();
      await key.fill("open sesame");
      await page.keyboard.press("Enter");
      await stripTokens(page);
      assert.deepEqual(
        await page.evaluate(() => [Object.values(sessionStorage), Object.values(localStorage)]),
        [["open sesame"], []],
      );
      await page.reload();
      await stripTokens(page);
    } finally {
      await inspector.close();
    }
  },
);

/** Buttons, links and fields that a screen reader could not name. */
function unnamedControls(page: Page): Promise<string[]> {
  return page.evaluate(() =>
    [...document.querySelectorAll<HTMLElement>("button, a, input, select, textarea")]
      .filter((element) => {
        const field = element as HTMLInputElement;
        const labels = [...(field.labels ?? [])].map((label) => label.textContent).join("");
        return `${element.ariaLabel ?? ""}${labels}${element.textContent}`.trim() === "";
      })
      .map((element) => element.outerHTML.slice(0, 120)),
  );
}

/** Controls that are cut off, too small a target (WCAG 2.5.8), or named without what they show (2.5.3). */
function controlFaults(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const faults: string[] = [];
    const all = document.querySelectorAll<HTMLElement>(
      "button, a, input, select, textarea, summary, [role=option]",
    );
    for (const element of all) {
      const says = `${element.tagName.toLowerCase()} "${element.textContent!.trim() || element.ariaLabel || element.id}"`;
      if (element.closest(".skip, .spoken, p a") !== null || element.offsetParent === null)
        continue;
      // A field that its label is wrapped around is reached by all of the label.
      const target = element.closest("label") ?? element;
      const box = target.getBoundingClientRect();
      if (box.width < 23.99 || box.height < 23.99)
        faults.push(`${says}: ${box.width.toFixed(1)} x ${box.height.toFixed(1)}`);
      const own = element.getBoundingClientRect();
      for (let around = element.parentElement; around !== null; around = around.parentElement) {
        const edge = around.getBoundingClientRect();
        const isWall =
          around.matches(".panel, body") || /hidden|clip/.test(getComputedStyle(around).overflowX);
        if (isWall && (own.left < edge.left - 0.5 || own.right > edge.right + 0.5))
          faults.push(`${says} lies outside ${around.className || around.tagName}`);
      }
      if (!element.matches("button, a, summary") || element.ariaLabel === null) continue;
      const plain = (text: string): string => text.toLowerCase().replaceAll(/\s+/g, " ").trim();
      if (!plain(element.ariaLabel).includes(plain(element.innerText)))
        faults.push(`${says} is called "${element.ariaLabel}"`);
    }
    return [...new Set(faults)];
  });
}

interface TextColour {
  readonly text: string;
  readonly ink: string;
  readonly ground: string;
  readonly isLarge: boolean;
}

/** Colours of all text that is shown, each on the nearest ground that is not transparent. */
function textColours(page: Page): Promise<TextColour[]> {
  return page.evaluate(() => {
    const found: { text: string; ink: string; ground: string; isLarge: boolean }[] = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
      const element = node.parentElement!;
      const text = node.textContent!.trim();
      const box = element.getBoundingClientRect();
      const control = element.closest<HTMLButtonElement>("button, select");
      if (text === "" || box.width < 2 || control?.disabled === true) continue;
      // Signs for spaces and rows that are gone are faint on purpose; both are said in words, too.
      if (element.closest(".sign, .gone, .spoken, .skip, option, script, noscript") !== null)
        continue;
      let ground: Element | null = element;
      while (
        ground !== null &&
        /^rgba\(.*, 0\)$|^transparent$/.test(getComputedStyle(ground).backgroundColor)
      )
        ground = ground.parentElement;
      const style = getComputedStyle(element);
      found.push({
        text: text.slice(0, 40),
        ink: style.color,
        ground: getComputedStyle(ground ?? document.documentElement).backgroundColor,
        isLarge: parseFloat(style.fontSize) >= 24,
      });
    }
    return found;
  });
}
