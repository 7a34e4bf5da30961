import assert from "node:assert/strict";
import { appendFile, mkdtemp, readFile, rm, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { FactStore, type LogVocabulary } from "../../src/facts/index.ts";
import { parseLog } from "../../src/facts/log-format.ts";
import { FactLogFile } from "../../src/facts/node/index.ts";
import { completionOf, type Held, KillLedger } from "./kill-ledger.ts";

const said =
  "ready\nbegin a 0\ndone a 0\nbegin b 1\ndone b 1\nbegin a 2\ndone a 2\nbegin c 3\ndone c 3\nforget c\nforgotten c\nbegin b 4\nbegi";

const held = (facts: Record<string, string>, bytes = "", torn = ""): Held => ({
  facts: new Map(Object.entries(facts)),
  bytes,
  torn,
});

function check(found: Held): KillLedger {
  const ledger = new KillLedger();
  ledger.hear(said);
  ledger.check(found);
  return ledger;
}

test("a log that has all that was acknowledged is right, with or without what was under way", () => {
  const { changes, undecided, next } = check(held({ a: completionOf(2), b: completionOf(1) }));
  assert.deepEqual([changes, undecided, next], [5, 1, 5]);
  check(held({ a: completionOf(2), b: completionOf(4) }));
});

test("every kind of fault that is planted is found", () => {
  const right = { a: completionOf(2), b: completionOf(1) };
  for (const [found, words] of [
    [held({ b: right.b }), /a is absent, of 2/],
    [held({ ...right, a: completionOf(0) }), /a is 0, of 2/],
    [held({ a: right.a }), /b is absent, of 1, 4/],
    [held({ ...right, a: completionOf(2).slice(0, -1) }), /a is not whole/],
    [held({ ...right, a: "" }), /a is \?, of 2/],
    [held({ ...right, c: completionOf(3) }), /c is 3, of absent/],
    [held(right, `... "id":"c" ...`), /c was forgotten, and is in the file/],
    [held(right, "", `... "id":"c" ...`), /c was forgotten, and is in the file/],
    [held({ ...right, d: completionOf(9) }), /nobody asked for it/],
  ] as const)
    assert.throws(() => check(found), words);
  assert.throws(() => new KillLedger().hear("done a 0\n"), /was not its turn/);
});

test("a real log that lost its last acknowledged commit is found", async () => {
  const folder = await mkdtemp(join(tmpdir(), "engram-kill-ledger-"));
  try {
    const open = (): FactLogFile => new FactLogFile(folder, { vocabulary });
    const vocabulary = (): LogVocabulary => ({ fingerprint: new Uint8Array(32), numIds: 2 ** 20 });
    const store = new FactStore({ log: open() });
    const createdAt = new Date(0).toISOString();
    const ledger = new KillLedger();
    let whole = 0;
    for (const n of [0, 1]) {
      whole = (await readFile(open().name).catch(() => "")).length;
      const fact = { id: `k${n}`, scope: "s", prompt: "p", completion: completionOf(n), createdAt };
      await store.add([{ fact, edits: [] }]);
      ledger.hear(`begin k${n} ${n}\ndone k${n} ${n}\n`);
    }
    await store.close();
    const found = async (): Promise<Held> => {
      const facts = new FactStore({ records: await open().read() }).facts();
      const file = await readFile(open().name);
      const { end } = parseLog(file, { where: "the log" });
      const [bytes, torn] = [file.subarray(0, end), file.subarray(end)].map((part) =>
        part.toString("latin1"),
      ) as [string, string];
      const known = new Map(facts.map(({ fact }) => [fact.id, fact.completion]));
      return { facts: known, bytes, torn };
    };
    ledger.check(await found());
    // The end of a third that its writer did not live to finish is no fault; that of one that nobody asked for is.
    const commit = (await readFile(open().name)).subarray(whole, -1);
    const other = Buffer.from(commit.toString("latin1").replace('"k1"', '"k2"'), "latin1");
    await appendFile(open().name, other);
    const torn = await found();
    assert.ok(torn.torn.includes('"id":"k2"'));
    const asked = new KillLedger();
    asked.hear("begin k0 0\ndone k0 0\nbegin k1 1\ndone k1 1\nbegin k2 2\n");
    asked.check(torn);
    const forgot = new KillLedger();
    forgot.hear(
      "begin k0 0\ndone k0 0\nbegin k1 1\ndone k1 1\nbegin k2 2\ndone k2 2\nforget k2\nforgotten k2\n",
    );
    assert.throws(() => forgot.check(torn), /k2 was forgotten, and is in the file/);
    await truncate(open().name, whole + 20);
    const after = await found();
    assert.deepEqual([...after.facts.keys()], ["k0"]);
    assert.throws(() => ledger.check(after), /k1 is absent, of 1/);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
