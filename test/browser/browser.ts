/**
 * A real browser before any server of ours: for tests of what a reader sees and does. Needs Chromium; where there
 * is none, tests skip themselves and say so.
 */
import { existsSync } from "node:fs";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";

/** Milliseconds for anything to appear: what is not there then is missing, however busy the machine. */
const patience = 90_000;

const executablePath = "/usr/bin/chromium";

/** For the `skip` of tests that need a browser. */
export const noBrowser: string | false = existsSync(executablePath)
  ? false
  : `needs Chromium at ${executablePath}; on Debian: apt-get install chromium`;

export interface OpenPage {
  readonly page: Page;
  /** Errors of scripts, and breaches of the Content-Security-Policy. */
  readonly complaints: string[];
}

export class TestBrowser {
  readonly #args: readonly string[];
  #browser: Promise<Browser> | undefined;

  constructor(args: readonly string[] = []) {
    this.#args = args;
  }

  async open(url: string, options: BrowserContextOptions = {}): Promise<OpenPage> {
    // The sandbox needs what containers often withhold; the page is our own.
    this.#browser ??= chromium.launch({
      executablePath,
      args: ["--no-sandbox", ...this.#args],
    });
    const context = await (
      await this.#browser
    ).newContext({
      viewport: { width: 1400, height: 1000 },
      reducedMotion: "reduce",
      acceptDownloads: true,
      ...options,
    });
    const page = await context.newPage();
    page.setDefaultTimeout(patience);
    const complaints: string[] = [];
    page.on("pageerror", (error) => complaints.push(error.message));
    page.on("console", (message) => {
      if (/Content Security Policy/.test(message.text())) complaints.push(message.text());
    });
    await page.goto(url);
    return { page, complaints };
  }

  async close(): Promise<void> {
    await (await this.#browser)?.close();
  }
}

/** The JSON document that a click hands to the reader. */
export async function savedJson(page: Page, name: string): Promise<unknown> {
  return JSON.parse((await savedFile(page, name)).toString());
}

/** The size of the picture that a click hands to the reader, from the file's own head. */
export async function savedPicture(
  page: Page,
  name: string,
): Promise<{ width: number; height: number; bytes: number }> {
  const bytes = await savedFile(page, name);
  return { width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20), bytes: bytes.length };
}

async function savedFile(page: Page, name: string): Promise<Buffer> {
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name, exact: true }).click(),
  ]);
  const parts: Buffer[] = [];
  for await (const part of await download.createReadStream()) parts.push(part as Buffer);
  return Buffer.concat(parts);
}
