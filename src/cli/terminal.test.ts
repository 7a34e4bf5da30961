import assert from "node:assert/strict";
import test from "node:test";
import { terminalOf } from "./terminal.ts";

const tty = { isTTY: true };
const desktop = { stdin: tty, stdout: tty, platform: "linux", env: { DISPLAY: ":0" } };

test("a terminal with a desktop can show a browser", () => {
  const terminal = terminalOf(desktop);
  assert.equal(terminal.isInteractive, true);
  assert.notEqual(terminal.openBrowser, undefined);
});

for (const [what, change] of [
  ["a pipe into stdin", { stdin: {} }],
  ["a pipe out of stdout", { stdout: {} }],
  ["CI", { env: { CI: "true", DISPLAY: ":0" } }],
] as const)
  test(`with ${what} nobody sits there`, () => {
    const terminal = terminalOf({ ...desktop, ...change });
    assert.equal(terminal.isInteractive, false);
    assert.equal(terminal.openBrowser, undefined);
  });

for (const [what, change] of [
  ["Linux without a desktop", { env: {} }],
  ["a Mac over SSH", { platform: "darwin", env: { SSH_CONNECTION: "10.0.0.1 1 10.0.0.2 22" } }],
] as const)
  test(`${what} has a reader, but no screen for a browser`, () => {
    const terminal = terminalOf({ ...desktop, ...change });
    assert.equal(terminal.isInteractive, true);
    assert.equal(terminal.openBrowser, undefined);
  });
