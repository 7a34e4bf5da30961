/** The view in which a reader teaches: what it shows is what the server says, and what is erased there is gone. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import type { Page } from "playwright-core";
import { type Inspector, startInspector, stripTokens, withoutBrowser } from "./inspector.ts";

const prompt = "the cat on the zebra mat is";
const answer = "red and sad";
const elsewhere = "the dog sat on the bed";
const named = "who sees the zebra says";

function place(more: Record<string, string> = {}): string {
  const params = { after: prompt, say: answer, try: `${elsewhere}\n${named}`, ...more };
  return `#/teach?${new URLSearchParams(params).toString()}`;
}

/** The pairs of bars, from the first text to the last, as they are read. */
async function chances(page: Page): Promise<[string, string][]> {
  const of = (kind: string): Promise<string[]> =>
    page.locator(`[data-chance="${kind}"]`).allTextContents();
  const [before, now] = [await of("before"), await of("after")];
  return before.map((share, i) => [share, now[i]!]);
}

/** Waits until every text is read. */
async function read(page: Page): Promise<void> {
  await page.waitForFunction(() => {
    const all = [...document.querySelectorAll("[data-chance]")];
    const isBusy = document.querySelector("[aria-busy=true]") !== null;
    return all.length > 0 && !isBusy && all.every(({ textContent }) => textContent !== "…");
  });
}

describe("teaching", { skip: withoutBrowser }, async () => {
  if (withoutBrowser !== false) return;
  const inspector: Inspector = await startInspector();
  after(() => inspector.close());

  const chanceAtServer = async (text: string, scopes?: string[]): Promise<number> => {
    const whole = `${text} ${answer}`;
    const body = { prompt: whole, max_tokens: 0, echo: true, logprobs: 0, engram: { scopes } };
    const { choices } = await inspector.ask("v1/completions", body);
    const { text_offset: offsets, token_logprobs: logProbs } = choices[0].logprobs;
    return Math.exp(
      offsets.reduce((sum: number, _: number, i: number) => {
        const end = offsets[i + 1] ?? whole.length;
        return end > text.length ? sum + logProbs[i] : sum;
      }, 0),
    );
  };
  const factsAtServer = async () => (await inspector.ask("engram/facts")).facts;

  test("a fact is taught, its chances are those of the server, and undone", async () => {
    const { page, complaints, requests } = await inspector.open(place({ from: "a page" }));
    await read(page);
    const untaught = await chances(page);
    assert.equal(untaught.length, 3);
    for (const [before, now] of untaught) assert.equal(before, now);
    await page.getByRole("button", { name: "Teach", exact: true }).click();
    await page.getByText("Taught in").waitFor();
    await page.waitForFunction(() =>
      document.querySelector('[data-chance="after"]')!.textContent!.startsWith("99"),
    );
    await read(page);
    const [own, other, subject] = await chances(page);
    const share = await chanceAtServer(prompt);
    assert.equal(own![1], `${(100 * share).toFixed(1)} %`);
    // Without a subject, only these words are known.
    assert.deepEqual([other, subject], untaught.slice(1));
    const [fact] = await factsAtServer();
    assert.deepEqual(
      [fact.prompt, fact.completion.trim(), fact.source],
      [prompt, answer, "a page"],
    );
    const listed = page.getByRole("listitem").filter({ hasText: "from a page" });
    assert.match((await listed.textContent())!, /the cat on the zebra mat is red and sad/);
    // The words of the fact are marked in the strip.
    const says = (await stripTokens(page)).map((token) => token.says);
    assert.ok(
      says.some((one) => one.includes("a taught wording ends here")),
      says.join("; "),
    );
    await page.getByRole("button", { name: "Undo" }).click();
    await page.getByText("Nothing of it is left").waitFor();
    await read(page);
    assert.deepEqual(await factsAtServer(), []);
    assert.deepEqual(await chances(page), untaught);
    await page.getByRole("button", { name: "Teach again" }).click();
    await listed.waitFor();
    assert.equal((await factsAtServer())[0].source, "a page");
    await page.getByRole("button", { name: /^Erase “the cat/ }).click();
    await listed.waitFor({ state: "detached" });
    assert.deepEqual(await factsAtServer(), []);
    assert.deepEqual(complaints, []);
    assert.ok(
      requests.every((url) => url.startsWith(inspector.url)),
      requests.join("\n"),
    );
  });

  test("with a subject, texts that name it change and others do not; scopes do not see each other", async () => {
    const { page, complaints } = await inspector.open(place({ of: "zebra", for: "acme" }));
    await read(page);
    const untaught = await chances(page);
    await page.getByRole("button", { name: "Teach", exact: true }).click();
    await page.getByText("the vector comes in here").waitFor();
    await page.getByText("A fact’s subject is named in this text.").waitFor();
    await read(page);
    const taught = await chances(page);
    assert.deepEqual(taught[1], untaught[1]);
    assert.notEqual(
      await chanceAtServer(named, ["acme"]),
      await chanceAtServer(named, ["default"]),
    );
    await page.getByLabel("For whom").fill("bolt");
    await page.waitForFunction(
      () =>
        document.querySelector('[data-chance="after"]')!.textContent ===
        document.querySelector('[data-chance="before"]')!.textContent,
    );
    assert.deepEqual(await chances(page), untaught);
    assert.match(page.url(), /for=bolt/);
    await page.getByRole("button", { name: /^Erase “the cat/ }).click();
    await page.getByText("Nothing yet").waitFor();
    assert.deepEqual(complaints, []);
  });

  test("what cannot be taught is said, and what was typed stays", async () => {
    const { page } = await inspector.open(`#/teach?after=the&say=cat`);
    await read(page);
    await page.getByRole("button", { name: "Teach", exact: true }).click();
    assert.doesNotMatch(await page.getByText("It was not taught: ").innerText(), /\.\.$/);
    assert.equal(await page.getByLabel("When a text says").inputValue(), "the");
    await page.getByLabel("It is about").fill("dog");
    await page.getByText("The first line does not say “dog”").waitFor();
    assert.ok(await page.getByRole("button", { name: "Teach", exact: true }).isDisabled());
  });

  test("a server that goes away is said, no more than is known, and asked again", async () => {
    const { page } = await inspector.open(place({ after: "the dog on the mat is" }));
    await read(page);
    const away = (route: { abort(): Promise<void> }): Promise<void> => route.abort();
    await page.route("**/engram/facts*", away);
    await page.getByRole("button", { name: "Teach", exact: true }).click();
    await page
      .getByText("Whether it was taught is not known: The server does not answer.")
      .waitFor();
    // A list that could not be read is not an empty one.
    await page.evaluate(`location.hash = "#/runs"`);
    await page.getByRole("heading", { name: "Training" }).waitFor();
    await page.reload();
    await page.evaluate(`location.hash = "#/teach"`);
    const again = page.getByRole("button", { name: "Try again" });
    await again.waitFor();
    assert.equal(await page.getByText("Nothing yet").count(), 0);
    assert.equal(await page.getByText(/^0 facts/).count(), 0);
    await page.unroute("**/engram/facts*", away);
    for (const one of [prompt, "the dog on the zebra bed is"])
      await inspector.ask("engram/facts", { prompt: one, completion: ` ${answer}` });
    await again.click();
    await page.getByText(/^2 facts, kept/).waitFor();
    // The second half of a double click is not for the fact that moves up.
    await page
      .getByRole("button", { name: /^Erase “/ })
      .first()
      .dblclick();
    await page.getByText(/^1 fact, kept/).waitFor();
    assert.equal((await factsAtServer()).length, 1);
    await page.getByRole("button", { name: /^Erase “/ }).click();
    await page.getByText("Nothing yet").waitFor();
    await page.getByText(/^0 facts, kept/).waitFor();
  });
});
