/**
 * What is left open when something fails on the way: nothing. Every compile, and every table that is opened, is made
 * to fail in turn, until none does.
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readlinkSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after, before } from "node:test";
import { FormatError, loadModel, type LoadModelOptions, ortBackend } from "../../src/index.ts";
import { createServer } from "../../src/index-server.ts";
import { type Preset, trainModel } from "../../src/index-training.ts";
import { BackendError } from "../../src/errors.ts";
import { FailingBackend } from "../models/failing-backend.ts";
import { miniPreset } from "../models/mini-preset.ts";

/** Two tables, few steps, one validation on the way. */
const preset: Preset = {
  ...miniPreset,
  memory: { ...miniPreset.memory, layerIds: [0, 1], minBucketRows: [4000, 8000] },
  training: { ...miniPreset.training, steps: 2, warmupSteps: 1 },
};
const backend = ortBackend({ threads: 1 });
let root = "";
let data = "";
let directory = "";

before(async () => {
  root = await mkdtemp(join(tmpdir(), "engram-left-open-"));
  data = join(root, "text.txt");
  const lines = Array.from({ length: 400 }, (_, i) => `the ${i % 7} cats sat on mat ${i % 11}.\n`);
  await writeFile(data, lines.join(""));
  directory = join(root, "model");
  await trainModel({ data: [data], preset, out: directory, backend, seed: 3 });
});
after(() => rm(root, { recursive: true, force: true }));

/** Files below this test's directory that this process holds open, where the system says so. */
function openFiles(): string[] | undefined {
  const own = "/proc/self/fd";
  if (!existsSync(own)) return undefined;
  return readdirSync(own).flatMap((fd) => {
    const path = tryRead(`${own}/${fd}`);
    return path?.startsWith(root) ? path : [];
  });
}

function tryRead(link: string): string | undefined {
  try {
    return readlinkSync(link);
  } catch {
    return undefined;
  }
}

test("a training run that cannot compile something leaves nothing open, its table on disk neither", async () => {
  let failures = 0;
  const tokenizer = await readFile(join(directory, "tokenizer.json"), "utf8");
  for (const tableMemory of [undefined, 800_000])
    for (let failsAt = 1, hasFailed = true; hasFailed; failsAt++) {
      const failing = new FailingBackend(backend, { failsAt });
      const out = join(root, `run-${String(tableMemory)}-${failsAt}`);
      const run = trainModel({
        data: [data],
        preset,
        out,
        backend: failing,
        seed: 3,
        tokenizer,
        ...(tableMemory !== undefined && { tableMemory }),
      });
      const error = await run.then(
        () => undefined,
        (reason: unknown) => reason,
      );
      ({ hasFailed } = failing);
      assert.equal(error instanceof BackendError, hasFailed, String(error));
      assert.equal(failing.numOpen, 0, `executables after failure ${failsAt}`);
      assert.deepEqual(openFiles() ?? [], [], `files after failure ${failsAt}`);
      failures += Number(hasFailed);
    }
  assert.ok(failures > 20, `${failures} steps of opening were made to fail`);
});

test("a model that is refused leaves none of its files open", async () => {
  const wrapStore =
    (failsAt: number): LoadModelOptions["wrapStore"] =>
    (store) => {
      if (--failsAt === 0) throw new FormatError("this store was made to fail");
      return store;
    };
  for (let failsAt = 1; failsAt <= 4; failsAt++) {
    const options = { backend, tableMemory: 100_000, wrapStore: wrapStore(failsAt)! };
    await assert.rejects(loadModel(directory, options), /made to fail/);
    assert.deepEqual(openFiles() ?? [], []);
  }
  // Read last of all.
  await writeFile(join(directory, "tokenizer_config.json"), "{");
  await assert.rejects(loadModel(directory, { backend, tableMemory: 100_000 }));
  assert.deepEqual(openFiles() ?? [], []);
  await rm(join(directory, "tokenizer_config.json"));
  const whole = { backend, tableMemory: 100_000, wrapStore: wrapStore(5)! };
  await (await loadModel(directory, whole)).close();
  assert.deepEqual(openFiles() ?? [], []);
});

test("a shape that could not be compiled once is compiled at the next request, and the server closes", async () => {
  let failures = 0;
  for (let failsAt = 1, hasFailed = true; hasFailed; failsAt++) {
    const failing = new FailingBackend(backend, { failsAt });
    const model = await loadModel(directory, { backend: failing });
    const server = createServer(model, { parallel: 2 });
    await server.ready;
    const statuses: number[] = [];
    // Alone and together, with the memory scaled and as it is: four shapes of graphs.
    for (let round = 0; round < 2; round++)
      for (const engram of [{}, { scale: 0.5 }]) {
        const request = { prompt: "the cats sat on", max_tokens: 2, n: 2, temperature: 0, engram };
        const body = JSON.stringify(request);
        const url = "http://engram/v1/completions";
        statuses.push((await server.fetch(new Request(url, { method: "POST", body }))).status);
      }
    ({ hasFailed } = failing);
    assert.equal(statuses.includes(500), hasFailed);
    // The same shapes again.
    assert.deepEqual(statuses.slice(2), [200, 200], `after failure ${failsAt}`);
    await server.close();
    await model.close();
    assert.equal(failing.numOpen, 0);
    failures += Number(hasFailed);
  }
  assert.ok(failures >= 4, `${failures} shapes were made to fail`);
});
