import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

test("the young generation that garbage has made large is given back", () => {
  const fixture = fileURLToPath(new URL("lean-process.fixture.ts", import.meta.url));
  const bytes = Number(execFileSync(process.execPath, ["--expose-gc", fixture, "--lean"]));
  // 1 to 4 MB; 14 to 35 where nobody asks for it.
  assert.ok(bytes > 0 && bytes < 8e6, `${bytes} bytes`);
});
