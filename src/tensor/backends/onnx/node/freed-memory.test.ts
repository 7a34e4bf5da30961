import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const { glibcVersionRuntime } = (process.report.getReport() as { header: object }).header as {
  glibcVersionRuntime?: string;
};

test(
  "arrays of zeros take no memory before something is written there",
  { skip: glibcVersionRuntime === undefined && "the C library is not glibc" },
  () => {
    const fixture = fileURLToPath(new URL("freed-memory.fixture.ts", import.meta.url));
    const grown = Number(execFileSync(process.execPath, ["--expose-gc", fixture, "--freed"]));
    // 180 MiB of them; 8 MiB where nobody asks for it.
    assert.ok(grown < 2 ** 21, `grew by ${grown} bytes`);
  },
);
