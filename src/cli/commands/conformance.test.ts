/** `engram conformance`: what a port's author meets. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after } from "node:test";
import { type Ending, engram } from "../../../test/engram.ts";

const scratch = mkdtempSync(join(tmpdir(), "engram-conformance-"));
after(() => rmSync(scratch, { recursive: true }));

function conformance(...words: string[]): Promise<Ending> {
  return engram("conformance", ...words);
}

const kit = join(scratch, "kit.json");

test("the document is the same with --json and without, and agrees with itself", async () => {
  const plain = await conformance();
  assert.equal(plain.status, 0);
  assert.deepEqual(JSON.parse(plain.stdout), JSON.parse((await conformance("--json")).stdout));
  writeFileSync(kit, plain.stdout);
  const checked = await conformance("--check", kit);
  assert.equal(checked.status, 0);
  assert.match(checked.stdout, /all \d{4} values agree/);
});

test("a port that differs fails, with the place and both values", async () => {
  const wrong = join(scratch, "wrong.json");
  const document = JSON.parse((await conformance("--json")).stdout);
  document.addressing[2].sequences[0].rows[1][4][5] = 104;
  writeFileSync(wrong, JSON.stringify(document));
  const { status, stdout } = await conformance("--check", wrong, "--json");
  assert.equal(status, 1);
  const { code, message } = JSON.parse(stdout).error;
  assert.equal(code, "conformance_failed");
  assert.match(message, /1 of \d+ values differ: .*rows\.1\[4\]\[5\]: expected 103, got 104/);
});

test("a file that is something else is bad input", async () => {
  const other = join(scratch, "other.json");
  writeFileSync(other, '{"hello": 1}');
  const { status, stderr } = await conformance("--check", other);
  assert.equal(status, 2);
  assert.match(stderr, /neither "addressing" nor "rowFormats"/);
});
