import assert from "node:assert/strict";
import test from "node:test";
import { InvalidConfigError } from "../errors.ts";
import { checkExposure } from "./exposure.ts";
import { commands } from "./registry.ts";

function check(host: string, more: { apiKey?: string; insecure?: boolean } = {}): string[] {
  const notes: string[] = [];
  const progress = {
    note: (line: string) => void notes.push(line),
    update: () => undefined,
    end: () => undefined,
  };
  const remedy = "give it a key (--api-key)";
  checkExposure({ host, insecure: false, remedy, ...more }, { progress });
  return notes;
}

test("what other machines can reach starts with a key, or where that was said to be meant", () => {
  for (const host of ["0.0.0.0", "::", "10.0.0.1", "models.example", "127.0.0.1.example"]) {
    assert.throws(() => check(host), InvalidConfigError, host);
    assert.throws(() => check(host), /other machines.*--api-key.*--insecure/);
    assert.deepEqual(check(host, { apiKey: "hush" }), []);
    assert.match(check(host, { insecure: true }).join(), /^warning: .* can be reached/);
  }
  for (const host of ["127.0.0.1", "localhost", "::1", "127.1.2.3"])
    assert.deepEqual(check(host), []);
});

test("every command that takes a host asks so", async () => {
  for (const command of commands.filter(({ options }) =>
    options.some(({ flags }) => flags.startsWith("--host")),
  )) {
    assert.ok(
      command.options.some(({ flags }) => flags === "--insecure"),
      command.path,
    );
    assert.equal(
      command.schema.safeParse({ model: "m", run: ["."], insecure: "perhaps" }).success,
      false,
    );
  }
});
