import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { countedSources } from "../../src/at-rest/index.ts";
import { writeCountedTable } from "../../src/at-rest/node/index.ts";
import { openSafetensors, writeSafetensors } from "../../src/checkpoint/node/index.ts";
import { buildCountedTable, sortByContext, tableInRam } from "../../src/memory/index.ts";
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

/** Runs the program until it has printed so many lines, and kills it; its last line if it ends before. */
async function count(out: string, lines = Infinity): Promise<string | undefined> {
  const child = spawn(process.execPath, [program, data, tokenizerFile, out], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let last: string | undefined;
  let read = 0;
  for await (const line of createInterface(child.stdout)) {
    last = line;
    read++;
    if (read === lines) child.kill("SIGKILL");
  }
  if (child.exitCode === null && child.signalCode === null)
    await new Promise((resolve) => void child.once("exit", resolve));
  return read >= lines ? undefined : last;
}

test("killed at any moment, a count goes on, and its table is the one that is built in memory", async () => {
  const out = join(directory, "killed");
  let runs = 0;
  for (const lines of [90, 200, 300]) {
    assert.equal(await count(out, lines), undefined);
    const found = (await readdir(out)).filter((name) => name.endsWith(".ngrams"));
    assert.ok(found.length >= runs, "no run was lost");
    runs = found.length;
  }
  assert.ok(runs > 0);
  const path = (await count(out))!;
  const whole = (await count(join(directory, "whole")))!;
  assert.deepEqual(await readFile(path), await readFile(whole));

  const tokenizer = await openTokenizerFile(await readFile(tokenizerFile, "utf8"));
  const { vocabSize } = tokenizer;
  const stream = await packDocuments(readAll([data]), tokenizer);
  const sorted = sortByContext(stream, { order: 5, vocabSize });
  for (const maxBytes of [0, 200_000]) {
    const table = join(directory, `table-${maxBytes}`);
    await writeCountedTable(table, [{ path, sign: 1 }], { maxBytes });
    const inRam = join(directory, `in-ram-${maxBytes}`);
    const prune = maxBytes > 0 ? { bytes: maxBytes } : undefined;
    const counted = tableInRam(buildCountedTable(sorted, { vocabSize, prune }));
    await using file = await openSafetensors(table);
    const metadata = Object.fromEntries(file.header.metadata);
    await writeSafetensors(inRam, countedSources(counted).flat(), metadata);
    assert.deepEqual(await readFile(table), await readFile(inRam));
    assert.equal(metadata["order"], "5");
  }
  const left = await readdir(directory);
  assert.deepEqual(
    left.filter((name) => /rows|kept|regions|tmp/.test(name)),
    [],
  );
});
