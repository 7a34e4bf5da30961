import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { countedSources } from "../../src/at-rest/index.ts";
import { writeSafetensors } from "../../src/checkpoint/node/index.ts";
import { buildCountedTable, sortByContext, tableInRam } from "../../src/memory/index.ts";
import { withCountedTable } from "../../src/count-text.ts";
import { InvalidConfigError } from "../../src/errors.ts";
import { packDocuments } from "../../src/training/index.ts";
import { readAll } from "../../src/training/node/index.ts";
import { openTokenizerFile } from "../../src/tokenizer/node/index.ts";

const program = fileURLToPath(new URL("count-process.ts", import.meta.url));
const play = new URL("../../assets/tinyshakespeare.txt", import.meta.url);
const tokenizerFile = fileURLToPath(
  new URL("../../assets/shakespeare/tokenizer.json", import.meta.url),
);

let directory = "";
let data = "";

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "engram-count-"));
  data = join(directory, "text.jsonl");
  const text = (await readFile(play, "utf8")).slice(0, 150_000);
  // Speeches of all lengths, and one act that is longer than a run.
  const parts = [...text.slice(0, 90_000).split("\n\n"), text.slice(90_000)];
  await writeFile(data, parts.map((part) => `${JSON.stringify({ text: part })}\n`).join(""));
});
after(() => rm(directory, { recursive: true, force: true }));

/** Runs the program until it has printed so many lines, and kills it. */
async function count(out: string, maxBytes: number, lines = Infinity): Promise<void> {
  const child = spawn(process.execPath, [program, data, tokenizerFile, out, String(maxBytes)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let read = 0;
  for await (const _ of createInterface(child.stdout)) if (++read === lines) child.kill("SIGKILL");
  if (child.exitCode === null && child.signalCode === null)
    await new Promise((resolve) => void child.once("exit", resolve));
  assert.equal(child.signalCode, lines === Infinity ? null : "SIGKILL");
}

test("killed at any moment, a count goes on, and its table is the one that is built in memory", async () => {
  const tokenizer = await openTokenizerFile(await readFile(tokenizerFile, "utf8"));
  const { vocabSize } = tokenizer;
  const stream = await packDocuments(readAll([data]), tokenizer);
  const sorted = sortByContext(stream, { order: 5, vocabSize });
  for (const maxBytes of [0, 200_000]) {
    const out = join(directory, `table-${maxBytes}`);
    let runs = 0;
    for (const lines of maxBytes === 0 ? [90, 200, 300] : []) {
      await count(out, maxBytes, lines);
      const found = (await readdir(`${out}.counting`)).filter((name) => name.endsWith(".ngrams"));
      assert.ok(found.length >= runs, "no run was lost");
      runs = found.length;
    }
    assert.equal(runs > 0, maxBytes === 0);
    await count(out, maxBytes);
    const inRam = join(directory, `in-ram-${maxBytes}`);
    const prune = maxBytes > 0 ? { bytes: maxBytes } : undefined;
    const counted = tableInRam(buildCountedTable(sorted, { vocabSize, prune, discount: 0.5 }));
    await writeSafetensors(inRam, countedSources(counted).flat());
    assert.deepEqual(await readFile(out), await readFile(inRam));
  }
  const left = (await readdir(directory)).filter((name) => !/^(text|table|in-ram)/.test(name));
  assert.deepEqual(left, []);
  assert.ok(!(await readdir(directory)).some((name) => name.endsWith(".counting")));
});

test("where one counts another is refused, and goes on when it has stopped; nothing counted leaves nothing", async () => {
  const tokenizerText = await readFile(tokenizerFile, "utf8");
  const tokenizer = await openTokenizerFile(tokenizerText);
  const { vocabSize } = tokenizer;
  const place = join(directory, "place");
  const options = { tokenizer, tokenizerFile: tokenizerText, vocabSize, order: 3, maxBytes: 0 };
  const counting = (documents: AsyncIterable<{ text: string }>): Promise<number> =>
    withCountedTable(
      { ...options, documents, directory: place },
      async ({ numTokens }) => numTokens,
    );
  async function* texts(meanwhile: () => Promise<void>) {
    yield { text: "Before we proceed any further" };
    await meanwhile();
  }
  const refused = (): Promise<void> =>
    assert.rejects(
      counting(texts(async () => undefined)),
      (error) => error instanceof InvalidConfigError && /is in use by process/.test(error.message),
    );
  const stopped = counting(
    texts(async () => {
      await refused();
      throw new RangeError("stopped");
    }),
  );
  await assert.rejects(stopped, RangeError);
  await assert.rejects(readdir(place), { code: "ENOENT" });
  assert.ok((await counting(texts(refused))) > 0);
  await assert.rejects(readdir(place), { code: "ENOENT" });
});
