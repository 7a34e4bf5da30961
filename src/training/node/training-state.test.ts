import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after, before } from "node:test";
import { smallConfig } from "../../../test/models/random-model.ts";
import { tensorSource } from "../../checkpoint/index.ts";
import { openSafetensors, writeSafetensors } from "../../checkpoint/node/index.ts";
import { FormatError, InvalidConfigError } from "../../errors.ts";
import { paramLayout, paramViews } from "../../model/index.ts";
import { flatArrays } from "../index.ts";
import { RamTable } from "../../at-rest/index.ts";
import { restoreTrainingState, saveTrainingState } from "./index.ts";

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
  const contents = {
    step: 3,
    identity,
    config: {},
    tokenizer: "{}",
    params: paramViews(layout, arrays.params),
    layout,
    arrays,
    tables: [table],
  };
  return saveTrainingState(join(root, name), contents);
}

/** The bytes of a fresh table that was restored: values, moments, uses. */
async function restored(checkpoint: { path: string; step: number }): Promise<number[][]> {
  const table = new RamTable(shape);
  const arrays = flatArrays(layout, new Float32Array(layout.length));
  await restoreTrainingState(checkpoint, { identity, layout, arrays, tables: [table] });
  for (const [name, { data }] of Object.entries(paramViews(layout, arrays.params)))
    assert.ok(
      data.every((value) => value === 0.5),
      name,
    );
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

test("a second attempt, with an older checkpoint, keeps nothing of the first", async () => {
  const zeros = new RamTable(shape);
  const arrays = flatArrays(layout, new Float32Array(layout.length));
  const params = paramViews(layout, arrays.params);
  const contents = { step: 1, identity, config: {}, tokenizer: "{}", params, layout, arrays };
  const older = await saveTrainingState(join(root, "older"), { ...contents, tables: [zeros] });
  const table = new RamTable(shape);
  const into = { identity, layout, arrays, tables: [table] };
  await restoreTrainingState(await saved("newer"), into);
  await restoreTrainingState(older, into);
  for (const { segments } of [table.values, table.moments, table.uses])
    assert.ok(segments.every((segment) => segment.every((byte) => byte === 0)));
});

test("a checkpoint gives back the tables of folds, and one without them is refused by name", async () => {
  const { layerId, numRows, headDim } = shape;
  const arrays = flatArrays(layout, new Float32Array(layout.length));
  const of = { identity, layout, arrays };
  const table = new RamTable(shape, { folds: 2 });
  const rows = Uint32Array.from({ length: numRows }, (_, row) => row);
  for (const [fold, { values, moments }] of table.withoutFold.entries()) {
    values.writeSync(rows, new Uint8Array(numRows * headDim * 4).fill(fold + 1));
    moments.writeSync(rows, new Uint8Array(numRows * 4).fill(fold + 11));
  }
  const params = paramViews(layout, arrays.params);
  const contents = { ...of, step: 3, config: {}, tokenizer: "{}", params };
  const checkpoint = await saveTrainingState(join(root, "folds"), { ...contents, tables: [table] });
  const again = new RamTable(shape, { folds: 2 });
  await restoreTrainingState(checkpoint, { ...of, tables: [again] });
  const bytesOf = (one: RamTable): number[][] =>
    one.withoutFold.flatMap(({ values, moments }) =>
      [values, moments].map(({ segments }) => [...segments[0]!]),
    );
  assert.deepEqual(bytesOf(again), bytesOf(table));
  assert.equal(bytesOf(again)[3]![0], 12);
  assert.equal(again.layerId, layerId);
  const unfolded = await saved("without-folds");
  await assert.rejects(
    restoreTrainingState(unfolded, { ...of, tables: [new RamTable(shape, { folds: 2 })] }),
    (error) => error instanceof InvalidConfigError && /rowFolds/.test(error.message),
  );
});

/** The checkpoint as earlier versions wrote it: all tensors in one file, weights flat. */
async function asBefore(path: string, version: 2 | 3): Promise<void> {
  await setVersion(path, version);
  const [model, file] = [join(path, "model.safetensors"), join(path, "state.safetensors")];
  await using tensors = await openSafetensors(model);
  await using state = await openSafetensors(file);
  const params = new Uint8Array(4 * layout.length);
  for (const { name } of layout.specs)
    params.set(await tensors.read(name), 4 * layout.offsets.get(name)!);
  const layer = "model.layers.1.engram";
  const sources = [
    tensorSource({ name: "params", dtype: "F32", shape: [layout.length] }, params),
    tensorSource(
      { name: "table.1", dtype: "F32", shape: [5, 2] },
      await tensors.read(`${layer}.embed.weight`),
    ),
  ];
  if (version === 3)
    sources.push(
      tensorSource(
        { name: "counts.1", dtype: "U8", shape: [5] },
        await tensors.read(`${layer}.counts`),
      ),
    );
  for (const span of state.tensors.values())
    sources.push(tensorSource(span, await state.read(span.name)));
  await writeSafetensors(file, sources);
  await rm(model);
}

test("checkpoints of earlier versions are resumed, with no uses counted yet where they have none", async () => {
  const expected = await restored(await saved("newest"));
  for (const version of [2, 3] as const) {
    const checkpoint = await saved(`older-${version}`);
    await asBefore(checkpoint.path, version);
    const [values, moments, uses] = await restored(checkpoint);
    assert.deepEqual([values, moments], expected.slice(0, 2));
    assert.deepEqual(uses, version === 3 ? expected[2] : [0, 0, 0, 0, 0]);
  }
});

for (const version of [1, 5])
  test(`a checkpoint of version ${version} is refused by name`, async () => {
    const checkpoint = await saved(`version-${version}`);
    await setVersion(checkpoint.path, version);
    await assert.rejects(
      restored(checkpoint),
      (error) =>
        error instanceof FormatError &&
        error.message.includes(`expected a checkpoint of version 2 to 4, it has ${version}`),
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
        layout,
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
