/**
 * The inspector page in a real browser, before a served model: for tests of what a reader sees and does.
 * Needs Chromium; where there is none, tests skip themselves and say so.
 */
import { existsSync } from "node:fs";
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Locator,
  type Page,
} from "playwright-core";
import { FactStore } from "../../src/facts/index.ts";
import { inspectorPage } from "../../src/cli/inspector-page.ts";
import type { Model } from "../../src/opened-model.ts";
import { createServer, type ServerOptions } from "../../src/server/index.ts";
import { listen } from "../../src/server/node/index.ts";
import { servedModel } from "../models/served-model.ts";

/** Milliseconds for anything to appear: what is not there then is missing, however busy the machine. */
const patience = 90_000;

const executablePath = "/usr/bin/chromium";

/** What the page opens with: the held-out text of a model that has one. */
export const excerpt = "the cat sat on the mat and the Cat sat on THE mat again";

/** What stands in a view when it has its answers. */
export const answered: Readonly<Record<string, string>> = {
  start: "[data-sentence]",
  machine: "[data-stage=next]",
  text: "[data-token]",
  teach: "[role=option]",
  memory: "[role=application]",
  runs: "main .notice, main table",
};

/** For the `skip` of tests that need a browser. */
export const withoutBrowser: string | false = existsSync(executablePath)
  ? false
  : `needs Chromium at ${executablePath}; on Debian: apt-get install chromium`;

export interface Inspector {
  readonly url: string;
  readonly model: Model;
  /** A fresh page at a place such as "#/text?k=3"; what it asked for and what it complained of. */
  open(hash?: string, options?: BrowserContextOptions): Promise<Opened>;
  /** An answer of the server, past the page. */
  ask(path: string, body?: unknown): Promise<any>; // oxlint-disable-line typescript/no-explicit-any -- answers of many shapes
  close(): Promise<void>;
}

export interface Opened {
  readonly page: Page;
  readonly requests: readonly string[];
  /** Errors of scripts and of the console, a breach of the Content-Security-Policy among them. */
  readonly complaints: string[];
}

export async function startInspector(
  options: ServerOptions = {},
  served?: Model,
): Promise<Inspector> {
  const model = served ?? (await servedModel({ store: new FactStore() }));
  const server = createServer(model, {
    page: () => inspectorPage({ note: () => {} }),
    heldOut: { excerpts: [excerpt], bitsPerByte: 2.095, memoryOff: 2.325, trainedWithout: 2.124 },
    ...options,
  });
  await server.ready;
  const listener = await listen(server.fetch, { host: "127.0.0.1", port: 0 });
  let browser: Browser | undefined;
  let context: BrowserContext | undefined;
  return {
    url: listener.url,
    model,
    async open(hash = "", contextOptions = {}) {
      // The sandbox needs what containers often withhold; the page is our own.
      browser ??= await chromium.launch({
        executablePath,
        args: ["--no-sandbox", "--disable-gpu"],
      });
      // The page of the test before has been looked at.
      await context?.close();
      context = await browser.newContext({
        viewport: { width: 1400, height: 900 },
        reducedMotion: "reduce",
        ...contextOptions,
      });
      const page = await context.newPage();
      page.setDefaultTimeout(patience);
      const requests: string[] = [];
      const complaints: string[] = [];
      page.on("request", (request) => requests.push(request.url()));
      page.on("pageerror", (error) => complaints.push(error.message));
      page.on("console", (message) => {
        if (message.type() === "error") complaints.push(message.text());
      });
      await page.goto(`${listener.url}/${hash}`);
      return { page, requests, complaints };
    },
    async ask(path, body) {
      const response = await fetch(`${listener.url}/${path}`, {
        ...(body !== undefined && { method: "POST", body: JSON.stringify(body) }),
      });
      return response.json();
    },
    async close() {
      await browser?.close();
      listener.destroy();
      await server.close();
      await model.close();
    },
  };
}

/** The tokens of the strip. */
export function tokensOf(page: Page): Locator {
  return page.getByRole("listbox", { name: /^Tokens/ }).getByRole("option");
}

/** The strip's tokens as the reader has them: what they say, where they lie, what colour they have. */
export async function stripTokens(
  page: Page,
): Promise<{ text: string; says: string; background: string; ink: string }[]> {
  await tokensOf(page).first().waitFor();
  return tokensOf(page).evaluateAll((options) =>
    options.map((option) => ({
      text: option.textContent ?? "",
      says: option.getAttribute("aria-label") ?? "",
      background: getComputedStyle(option).backgroundColor,
      ink: getComputedStyle(option).color,
    })),
  );
}

/** Relative luminance of a CSS colour, as WCAG 2 defines it. */
export function luminance(css: string): number {
  const [r, g, b] = (css.match(/[\d.]+/g) ?? []).map((byte) => {
    const x = Number(byte) / 255;
    return x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

export function contrast(a: string, b: string): number {
  const [high, low] = [luminance(a), luminance(b)].toSorted((x, y) => y - x) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

/** A share of 1 as the page writes it, if it is neither nothing nor almost all. */
export function percentOf(share: number): string {
  if (share >= 1) return `${(100 * share).toFixed(0)} %`;
  return share >= 0.01 ? `${(100 * share).toFixed(1)} %` : `${(100 * share).toPrecision(2)} %`;
}
