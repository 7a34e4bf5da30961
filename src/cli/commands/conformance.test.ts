/** `engram conformance` as a process: what a port's author meets. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after } from "node:test";
import { fileURLToPath } from "node:url";

const main = fileURLToPath(new URL("../main.ts", import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), "engram-conformance-"));
after(() => rmSync(scratch, { recursive: true }));

function engram(...words: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [main, "conformance", ...words], {
    encoding: "utf8",
    maxBuffer: 2 ** 26,
  });
}

const kit = join(scratch, "kit.json");

test("the document is the same with --json and without, and agrees with itself", () => {
  const plain = engram();
  assert.equal(plain.status, 0);
  assert.deepEqual(JSON.parse(plain.stdout), JSON.parse(engram("--json").stdout));
  writeFileSync(kit, plain.stdout);
  const checked = engram("--check", kit);
  assert.equal(checked.status, 0);
  assert.match(checked.stdout, /all \d{4} values agree/);
});

test("a port that differs fails, with the place and both values", () => {
  const wrong = join(scratch, "wrong.json");
  const document = JSON.parse(engram("--json").stdout);
  document.addressing[2].sequences[0].rows[1][4][5] = 104;
  writeFileSync(wrong, JSON.stringify(document));
  const { status, stdout } = engram("--check", wrong, "--json");
  assert.equal(status, 1);
  const { code, message } = JSON.parse(stdout).error;
  assert.equal(code, "conformance_failed");
  assert.match(message, /1 of \d+ values differ: .*rows\.1\[4\]\[5\]: expected 103, got 104/);
});

test("a file that is something else is bad input", () => {
  const other = join(scratch, "other.json");
  writeFileSync(other, '{"hello": 1}');
  const { status, stderr } = engram("--check", other);
  assert.equal(status, 2);
  assert.match(stderr, /neither "addressing" nor "rowFormats"/);
});
