import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { InvalidConfigError } from "../../errors.ts";
import { readRegistration, register } from "./registration.ts";

test("of two studies that begin at once in one directory the first is registered and stays", async (t) => {
  const out = await mkdtemp(join(tmpdir(), "engram-registration-"));
  t.after(() => rm(out, { recursive: true }));
  const registered = { study: { title: "one" }, arms: {}, files: [] };
  const first = await register(registered, { out, threads: 1, command: "one" });
  const second = register(registered, { out, threads: 2, command: "two" });
  await assert.rejects(second, InvalidConfigError);
  assert.deepEqual(await readRegistration(out), first);
});
