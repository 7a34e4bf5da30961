/** Every link of the documentation leads somewhere: in the markdown as it stands, and in the folder made of it. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Places within a page, by its path. */
type Anchors = (path: string) => ReadonlySet<string>;

/** What of `links` in the file at `path` has no target. */
function deadLinks(path: string, links: Iterable<string>, anchorsOf: Anchors): string[] {
  const dead: string[] = [];
  for (const link of links) {
    if (/^[a-z]+:/.test(link)) continue;
    const [file, anchor] = link.split("#") as [string, string?];
    const target = file === "" ? path : join(dirname(path), decodeURI(file));
    const isThere = !file.startsWith("/") && existsSync(target);
    if (!isThere || (anchor && !anchorsOf(target).has(decodeURI(anchor)))) dead.push(link);
  }
  return dead;
}

/** As GitHub names the headings of a file. */
const headings: Anchors = (path) =>
  new Set(
    [...readFileSync(path, "utf8").matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
      heading!
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
        .replaceAll(" ", "-"),
    ),
  );

const ids: Anchors = (path) =>
  new Set([...readFileSync(path, "utf8").matchAll(/ id="([^"]+)"/g)].map(([, id]) => id!));

/** Links of markdown outside of code. */
function linksIn(markdown: string): string[] {
  const text = markdown.replaceAll(/^```[\s\S]*?^```|`[^`\n]*`/gm, "");
  return [...text.matchAll(/\]\(([^()\s]+)\)/g)].map(([, link]) => link!);
}

test("links of the markdown have targets", () => {
  const files = globSync("{*,docs/**/*,assets/**/*,bench/**/*}.md", { cwd: root });
  assert.ok(files.length > 50);
  for (const file of files) {
    const path = join(root, file);
    const links = linksIn(readFileSync(path, "utf8"));
    assert.deepEqual(deadLinks(path, links, headings), [], file);
  }
});

test("a link to no file, to no heading and to the root of a disk is dead", () => {
  const links = ["README.md", "README.md#in-a-minute", "no.md", "README.md#no", "/README.md"];
  assert.deepEqual(deadLinks(join(root, "ARCHITECTURE.md"), links, headings), links.slice(2));
});

test("a decision has a number of its own, and begins with it", () => {
  const files = globSync("docs/decisions/*.md", { cwd: root }).toSorted();
  const numbers = files.map((file) => Number(/(\d+)-[^/]+$/.exec(file)![1]));
  assert.deepEqual(
    numbers,
    files.map((_, i) => i + 1),
  );
  for (const [i, file] of files.entries())
    assert.ok(readFileSync(join(root, file), "utf8").startsWith(`# ${i + 1}. `), file);
});

test("the documentation is built: exported names are described, and links have targets below any path", async (t) => {
  const site = mkdtempSync(join(tmpdir(), "engram-docs-"));
  t.after(() => rmSync(site, { recursive: true }));
  const out = join(site, "docs");
  // Ends with another code for a name without a description, and for a heading that is linked and not there.
  await promisify(execFile)(process.execPath, [join(root, "scripts", "build-docs.ts"), out]);
  // The page that the documentation lies beside.
  writeFileSync(join(site, "index.html"), "");
  const pages = globSync("**/*.html", { cwd: out }).map((file) => join(out, file));
  for (const path of ["index.html", "documents/guide.html", "modules/engram-lm.html"])
    assert.ok(pages.includes(join(out, path)), path);
  for (const path of pages) {
    const html = readFileSync(path, "utf8");
    const links = [...html.matchAll(/ (?:href|src)="([^"]*)"/g)].map(([, link]) => link!);
    assert.deepEqual(deadLinks(path, links, ids), [], relative(out, path));
  }
});
