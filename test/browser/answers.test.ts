/** A result belongs to what it was asked for: nothing is shown under another text, whatever the server does. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import type { Page } from "playwright-core";
import {
  excerpt,
  type Inspector,
  startInspector,
  stripTokens,
  tokensOf,
  withoutBrowser,
} from "./inspector.ts";

const [first, second] = ["the cat sat on the mat", "THE mat and again the Cat"] as const;
const placeOf = (text: string, view = "text"): string =>
  `#/${view}?${new URLSearchParams({ t: text })}`;

const shownText = async (page: Page): Promise<string> =>
  (await tokensOf(page).allTextContents())
    .slice(1)
    .join("")
    .replace(/what·comes·next$/, "")
    .replaceAll("·", " ");

/** Holds back the server's next answer to a path until it is let go. */
async function holdBack(page: Page, path: string): Promise<() => void> {
  let letGo: () => void = () => undefined;
  const held = new Promise<void>((resolve) => (letGo = resolve));
  await page.route(
    `**/${path}`,
    async (route) => {
      await held;
      // The page may have given the question up.
      await route.continue().catch(() => undefined);
    },
    { times: 1 },
  );
  return letGo;
}

describe("an answer and its question", { skip: withoutBrowser }, async () => {
  if (withoutBrowser !== false) return;
  const inspector: Inspector = await startInspector();
  after(() => inspector.close());
  const field = (page: Page) => page.getByLabel("Text to look into");

  test("while a text is being read, the numbers before it are marked as another text's", async () => {
    const { page } = await inspector.open(placeOf(first));
    await stripTokens(page);
    const busy = page.locator('[aria-busy="true"]');
    assert.equal(await busy.count(), 0);
    const letGo = await holdBack(page, "engram/inspect");
    await field(page).fill(second);
    await page.getByText("Below is the text before.").first().waitFor();
    assert.equal(await shownText(page), first);
    assert.ok((await busy.getByRole("listbox").count()) === 1, "the strip is marked");
    assert.ok((await busy.locator("[data-token]").count()) === 1, "its details are marked");
    assert.ok(await page.getByRole("button", { name: "Let the model go on" }).isDisabled());
    letGo();
    await busy.first().waitFor({ state: "detached" });
    assert.equal(await shownText(page), second);
  });

  test("what is saved while a text is being read is the text that the numbers are of", async () => {
    const { page } = await inspector.open(placeOf(first));
    await stripTokens(page);
    const letGo = await holdBack(page, "engram/inspect");
    await field(page).fill(second);
    await page.getByText("Below is the text before.").first().waitFor();
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("button", { name: "Save the token strip as JSON" }).click(),
    ]);
    const chunks: Buffer[] = [];
    for await (const chunk of await download.createReadStream()) chunks.push(chunk as Buffer);
    const saved = JSON.parse(Buffer.concat(chunks).toString());
    assert.equal(saved.text, first);
    letGo();
  });

  test("after a failure nothing of another text is left, and the question can be put again", async () => {
    {
      const { page } = await inspector.open(placeOf(first));
      await stripTokens(page);
      await page.route("**/engram/inspect", (route) => route.abort());
      await field(page).fill(second);
      const alert = page.getByRole("alert");
      await alert.waitFor();
      assert.match((await alert.textContent())!, /does not answer/);
      assert.equal(await tokensOf(page).count(), 0);
      assert.equal(await page.locator("[data-token], [data-total]").count(), 0);
      assert.equal(await field(page).inputValue(), second);
      await page.unroute("**/engram/inspect");
      await page.getByRole("button", { name: "Try again" }).click();
      await stripTokens(page);
      assert.ok((await shownText(page)).startsWith(second));
    }
  });

  test("of two questions in a row the later one is answered, though its answer came first", async () => {
    const { page } = await inspector.open(placeOf(first));
    await stripTokens(page);
    const letGo = await holdBack(page, "engram/inspect");
    await field(page).fill("mat mat mat");
    await page.waitForRequest("**/engram/inspect");
    await field(page).fill(second);
    await page.locator('[aria-busy="true"]').first().waitFor({ state: "detached" });
    letGo();
    await page.waitForTimeout(100);
    assert.equal(await shownText(page), second);
  });

  test("what the model writes is marked, and no token of the reader's own", async () => {
    const { page } = await inspector.open(placeOf(first));
    // One more stands for what comes next.
    const own = (await stripTokens(page)).length - 1;
    await page.getByLabel("Tokens", { exact: true }).fill("6");
    await page.getByLabel("Temperature").fill("0");
    await page.getByRole("combobox", { name: /Pace/ }).selectOption({ label: "as they come" });
    const letGo = await holdBack(page, "engram/inspect");
    await page.getByRole("button", { name: "Let the model go on" }).click();
    await page.getByText(/tokens? written by the model follow/).waitFor();
    // The text with what was written is still being read: the numbers are of the text alone.
    const marked = () =>
      tokensOf(page).evaluateAll((all) => all.map((one) => one.classList.contains("written")));
    assert.ok((await marked()).slice(0, own).every((isWritten) => !isWritten));
    letGo();
    await page.locator('[aria-busy="true"]').first().waitFor({ state: "detached" });
    const marks = (await marked()).slice(0, -1);
    assert.ok(marks.length > own);
    assert.deepEqual(
      marks,
      marks.map((_, t) => t >= own),
    );
  });

  test("a text that is left while the model writes gets nothing of it", async () => {
    const { page } = await inspector.open(placeOf(first));
    await stripTokens(page);
    await page.getByLabel("Tokens", { exact: true }).fill("60");
    await page.getByLabel("Temperature").fill("0");
    await page.getByRole("combobox", { name: /Pace/ }).selectOption({ label: "4 tokens/s" });
    await page.getByRole("button", { name: "Let the model go on" }).click();
    await page.locator(".token.written").first().waitFor();
    assert.ok(await page.getByRole("button", { name: "Clear" }).isDisabled());
    await page.evaluate((hash) => (location.hash = hash), placeOf(second));
    await page.getByRole("button", { name: "Let the model go on" }).waitFor();
    await page.locator('[aria-busy="true"]').first().waitFor({ state: "detached" });
    assert.equal(await shownText(page), second);
    assert.equal(await page.locator(".token.written").count(), 0);
    assert.ok(!page.url().includes("g="), page.url());
  });

  test("a model's page opens with its own held-out text", async () => {
    const { page } = await inspector.open("#/text");
    await stripTokens(page);
    assert.equal(await field(page).inputValue(), excerpt);
    assert.equal(await shownText(page), excerpt);
    await field(page).fill(first);
    await page.getByRole("button", { name: "Example 1" }).click();
    assert.equal(await field(page).inputValue(), excerpt);
  });

  test("collisions are shown under the text that they were counted in", async () => {
    const { page } = await inspector.open("#/memory?of=text");
    const text = page.getByRole("textbox", { name: /^A text/ });
    await text.fill(first);
    await page.getByRole("button", { name: "Count", exact: true }).click();
    const table = page.getByRole("cell", { name: "Share a row" });
    const shown = page.getByText(/Bars are measured/);
    await shown.waitFor();
    await text.fill(second);
    await shown.waitFor({ state: "detached" });
    assert.equal(await table.count(), 0);
    await text.fill(first);
    await shown.waitFor();
  });

  test("two visitors have each the corpus that they gave; a lost one is said to be gone", async () => {
    const ask = inspector.open.bind(inspector);
    const { page } = await ask(placeOf(first));
    await page.getByText("No corpus is given").waitFor();
    await page.getByRole("button", { name: "Use the text above" }).click();
    await page.getByText("the text above:").waitFor();
    const told = await page.getByText("the text above:").textContent();
    // Somebody else gives another one.
    await inspector.ask("engram/corpus", { name: "theirs", text: "again ".repeat(50) });
    await page.reload();
    await page.getByText("the text above:").waitFor();
    assert.equal(await page.getByText("the text above:").textContent(), told);
    // What the page asks of its corpus after a reload is answered: from here on it lies unused.
    await page.locator("[data-row] summary").first().waitFor();
    for (let i = 0; i < 64; i++) await inspector.ask("engram/corpus", { text: `cat ${i}` });
    await tokensOf(page).nth(4).click();
    await page.getByText("No corpus is given").waitFor();
    await page.getByText(/has let it go; give the text again/).waitFor();
  });
});

test(
  "a page whose model brought no text asks for one, and shows no other model's",
  { skip: withoutBrowser },
  async () => {
    const inspector = await startInspector({ heldOut: {} });
    try {
      const { page } = await inspector.open("#/text");
      await stripTokens(page);
      assert.equal(await page.getByLabel("Text to look into").inputValue(), "");
      assert.equal(await page.getByRole("button", { name: /^Example/ }).count(), 0);
    } finally {
      await inspector.close();
    }
  },
);
