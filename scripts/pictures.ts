/**
 * Makes the pictures of the README from the real page: the static site is built, opened in Chromium with the model that
 * `npm start` opens, and looked at.
 *
 *   node scripts/pictures.ts
 *
 *     docs/pictures/page.png        the first screen
 *     docs/pictures/recording.svg   the first screen; what the model writes; the same after it forgot what it had read
 */
import "../bench/setup/command-line.ts";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { TestBrowser } from "../test/browser/browser.ts";
import { filesIn, startStaticSite } from "../test/browser/static-site.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const size = { width: 1100, height: 780 };
/** What the files may weigh: everybody who looks at the repository loads them. */
const mostBytes = { "page.png": 200e3, "recording.svg": 1e6 };
const secondsPerFrame = 3;

const folder = mkdtempSync(join(tmpdir(), "engram-pictures-"));
const browser = new TestBrowser();
try {
  execFileSync(process.execPath, [join(root, "scripts", "build-site.ts"), folder]);
  await using server = await startStaticSite(await filesIn(folder));
  const { page } = await browser.open(`${server.origin}/?model=english#/start`, {
    viewport: size,
    colorScheme: "light",
  });
  await page.locator("[data-sentence]").waitFor();
  // Who wrote the row comes a moment after the sentence.
  await page.getByText("row was written by").first().waitFor();
  await page.waitForTimeout(4000);
  keep("page.png", await page.screenshot());
  const frames: string[] = [];
  const take = async (): Promise<void> => {
    // A second without a change: whatever was being written has ended.
    let jpeg = "";
    for (let last: string | undefined; last !== jpeg; await page.waitForTimeout(1000)) {
      last = jpeg;
      jpeg = (await page.screenshot({ type: "jpeg", quality: 60 })).toString("base64");
    }
    if (frames.includes(jpeg)) throw new Error(`frame ${frames.length} shows nothing new`);
    frames.push(jpeg);
  };
  await take();
  // Sentence, drawing and both texts at once, so that only what changes moves.
  await page.mouse.wheel(0, size.height / 2);
  await take();
  await page.getByRole("button", { name: "Make it forget this" }).click();
  await page.getByText("forgotten now").waitFor();
  await take();
  keep("recording.svg", Buffer.from(animated(frames)));
} finally {
  await browser.close();
  rmSync(folder, { recursive: true });
}

function keep(name: keyof typeof mostBytes, bytes: Uint8Array): void {
  if (bytes.length > mostBytes[name])
    throw new Error(`${name} has ${bytes.length} bytes, expected at most ${mostBytes[name]}`);
  writeFileSync(join(root, "docs", "pictures", name), bytes);
  console.log(`${name}: ${bytes.length} bytes`);
}

/** Pictures that are shown in turn, without a script. */
function animated(frames: readonly string[]): string {
  const { width, height } = size;
  const seconds = frames.length * secondsPerFrame;
  const share = 100 / frames.length;
  const images = frames.map(
    (frame, i) =>
      `<image width="${width}" height="${height}" style="animation-delay:${i * secondsPerFrame}s" href="data:image/jpeg;base64,${frame}"/>`,
  );
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="The model forgets the rows behind a word, and writes another one">\n` +
    `<style>image{visibility:hidden;animation:turn ${seconds}s step-end infinite}` +
    `@keyframes turn{0%{visibility:visible}${share.toFixed(2)}%{visibility:hidden}}</style>\n` +
    `${images.join("\n")}\n</svg>\n`
  );
}
