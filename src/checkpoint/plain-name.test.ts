/** Names that stay in their directory, and names that would not. */
import assert from "node:assert/strict";
import { posix, win32 } from "node:path";
import test from "node:test";
import { FormatError } from "../errors.ts";
import { checkPlainName, isPlainName } from "./plain-name.ts";

const good = [
  "config.json",
  "model-00001-of-00002.safetensors",
  "weights (copy).safetensors",
  "模型.safetensors",
  "a..b",
];
const elsewhere = [
  "",
  ".",
  "..",
  "../victim",
  "a/b",
  "/etc/passwd",
  "a\\b",
  "..\\victim",
  "C:",
  "x:y",
];
const hidden = [
  ".bashrc",
  ".saving-1-a",
  "a\0b",
  "a\nb",
  "\u202Ea",
  "\u{FEFF}a",
  "\uD800",
  "x".repeat(256),
];
const bad = [elsewhere, hidden, [undefined, null, 3, {}]].flat();

test("a plain name stays in its directory on every system", () => {
  for (const name of good) {
    assert.equal(checkPlainName(name, "index.json"), name);
    for (const path of [posix, win32])
      assert.equal(path.dirname(path.resolve("/m", name)), path.resolve("/m"));
  }
});

test("whatever leads elsewhere is refused, with the file that gives it", () => {
  for (const name of bad) {
    assert.ok(!isPlainName(name), JSON.stringify(name));
    assert.throws(
      () => checkPlainName(name, "m/READY.json"),
      (error) =>
        error instanceof FormatError &&
        error.message.startsWith("m/READY.json: expected the name of a file beside it"),
    );
  }
});
