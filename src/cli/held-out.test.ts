import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after } from "node:test";
import { fileURLToPath } from "node:url";
import { heldOutOf } from "./held-out.ts";

const directory = await mkdtemp(join(tmpdir(), "engram-held-out-"));
after(() => rm(directory, { recursive: true, force: true }));

const nothing = {
  excerpts: [],
  bitsPerByte: undefined,
  memoryOff: undefined,
  trainedWithout: undefined,
};

test("the models that come along tell their neighbours, and show what they were not trained on", async () => {
  for (const name of ["english", "shakespeare"]) {
    const { excerpts, bitsPerByte, memoryOff, trainedWithout } = await heldOutOf(
      fileURLToPath(new URL(`../../assets/${name}`, import.meta.url)),
    );
    assert.equal(excerpts!.length, 3);
    for (const excerpt of excerpts!) assert.ok(excerpt.length > 100);
    assert.ok(bitsPerByte! < trainedWithout! && trainedWithout! < memoryOff!);
  }
});

test("a model without a report, or with a damaged one, has nothing to tell", async () => {
  assert.deepEqual(await heldOutOf(directory), nothing);
  for (const text of [
    "",
    "{",
    "[]",
    '{"bitsPerByte": "2", "heldOutExcerpt": 5, "bitsPerByteWithoutMemory": null}',
    JSON.stringify({ heldOutExcerpts: ["the cat", "x".repeat(3000)] }),
    JSON.stringify({ heldOutExcerpt: "x".repeat(3000), bitsPerByteTrainedWithout: -1 }),
  ]) {
    await writeFile(join(directory, "training.json"), text);
    assert.deepEqual(await heldOutOf(directory), nothing, text.slice(0, 50));
  }
  await writeFile(
    join(directory, "training.json"),
    '{"heldOutExcerpt": "the cat", "bitsPerByte": []}',
  );
  assert.deepEqual(await heldOutOf(directory), { ...nothing, excerpts: ["the cat"] });
});
