import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after, before } from "node:test";
import { smallConfig } from "../../../test/models/random-model.ts";
import { SafetensorsFile, tensorSource, writeSafetensors } from "../../checkpoint/node/index.ts";
import { FormatError } from "../../errors.ts";
import { paramLayout } from "../../model/index.ts";
import { flatArrays } from "../index.ts";
import { RamTable, restoreTrainingState, saveTrainingState } from "./index.ts";

const shape = { layerId: 1, headDim: 2, numRows: 5 };
const layout = paramLayout(smallConfig);
const identity = { seed: 1 };
let root = "";

before(async () => void (root = await mkdtemp(join(tmpdir(), "engram-state-"))));
after(() => rm(root, { recursive: true, force: true }));

async function saved(name: string) {
  const table = new RamTable(shape);
  const rows = Uint32Array.of(0, 1, 2, 3, 4);
  table.values.writeSync(
    rows,
    Uint8Array.from({ length: 40 }, (_, i) => i),
  );
  table.moments.writeSync(
    rows,
    Uint8Array.from({ length: 20 }, (_, i) => 100 + i),
  );
  table.uses.writeSync(rows, Uint8Array.of(0, 3, 0, 255, 1));
  const arrays = flatArrays(layout, new Float32Array(layout.length).fill(0.5));
  const contents = { step: 3, identity, tokenizer: "{}", arrays, tables: [table] };
  return saveTrainingState(join(root, name), contents);
}

/** The bytes of a fresh table that was restored: values, moments, uses. */
async function restored(checkpoint: { path: string; step: number }): Promise<number[][]> {
  const table = new RamTable(shape);
  const arrays = flatArrays(layout, new Float32Array(layout.length));
  await restoreTrainingState(checkpoint, { identity, arrays, tables: [table] });
  return [table.values, table.moments, table.uses].map(({ segments }) => [...segments[0]!]);
}

async function setVersion(path: string, version: number): Promise<void> {
  const file = join(path, "state.json");
  const state = JSON.parse(await readFile(file, "utf8"));
  await writeFile(file, JSON.stringify({ ...state, version }));
}

test("a checkpoint gives back values, moments and uses of rows", async () => {
  const [values, moments, uses] = await restored(await saved("whole"));
  assert.deepEqual(
    values,
    Array.from({ length: 40 }, (_, i) => i),
  );
  assert.deepEqual(
    moments,
    Array.from({ length: 20 }, (_, i) => 100 + i),
  );
  assert.deepEqual(uses, [0, 3, 0, 255, 1]);
});

test("a checkpoint of version 2, which has no uses, is resumed with none counted yet", async () => {
  const checkpoint = await saved("older");
  await setVersion(checkpoint.path, 2);
  const file = join(checkpoint.path, "state.safetensors");
  await using whole = await SafetensorsFile.open(file);
  const sources = [];
  for (const span of whole.tensors.values())
    if (span.name !== "counts.1") sources.push(tensorSource(span, await whole.read(span.name)));
  await writeSafetensors(file, sources);
  const [values, moments, uses] = await restored(checkpoint);
  assert.equal(values![39], 39);
  assert.equal(moments![19], 119);
  assert.deepEqual(uses, [0, 0, 0, 0, 0]);
});

for (const version of [1, 4])
  test(`a checkpoint of version ${version} is refused by name`, async () => {
    const checkpoint = await saved(`version-${version}`);
    await setVersion(checkpoint.path, version);
    await assert.rejects(
      restored(checkpoint),
      (error) =>
        error instanceof FormatError &&
        error.message.includes(`expected a checkpoint of version 2 to 3, it has ${version}`),
    );
  });

test("a run that was begun when other documents were held out says so, unless it has the same texts", async () => {
  const { path, step } = await saved("rule");
  const file = join(path, "state.json");
  const state = JSON.parse(await readFile(file, "utf8")) as object;
  const then = { seed: 1, text: "a", heldOut: "b" };
  await writeFile(file, JSON.stringify({ ...state, identity: then }));
  const restore = (now: object): Promise<void> =>
    restoreTrainingState(
      { path, step },
      {
        identity: { ...then, holdOut: "by their texts", ...now },
        arrays: flatArrays(layout, new Float32Array(layout.length)),
        tables: [new RamTable(shape)],
      },
    );
  await restore({});
  await assert.rejects(
    restore({ text: "c" }),
    /held out by another rule when this run was begun .*now "by their texts".*with the release that began it/,
  );
  await assert.rejects(restore({ text: "c", holdOut: undefined }), /the training text is another/);
  await assert.rejects(restore({ seed: 2 }), /seed was 1, now 2/);
});
