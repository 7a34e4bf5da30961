import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test from "node:test";
import type { ByteSource } from "../bytes/index.ts";
import { FormatError } from "../errors.ts";
import { ModelDirectory, savedFiles } from "./model-files.ts";

const english = new URL("../../assets/english/", import.meta.url);

/** The files of a model that ships, and the names that were asked for. */
function watched(change: (name: string, bytes: Buffer) => Buffer): {
  source: ByteSource;
  asked: string[];
} {
  const asked: string[] = [];
  const source: ByteSource = {
    name: "english",
    isTrusted: false,
    nameOf: (file) => `english/${file}`,
    open: async () => undefined,
    async read(file) {
      asked.push(file);
      return change(file, await readFile(new URL(file, english)));
    },
  };
  return { source, asked };
}

test("a file that the manifest lists has its sums, or is refused; no other one is asked for", async () => {
  const sound = watched((_, bytes) => bytes);
  const read = await savedFiles(sound.source);
  assert.deepEqual(await read("run.json", 2 ** 20), await readFile(new URL("run.json", english)));
  assert.equal(await read("quantization.txt", 2 ** 20), undefined);
  assert.deepEqual(sound.asked, ["manifest.json", "run.json"]);

  const damaged = watched((name, bytes) => {
    if (name === "metrics.jsonl") bytes[70_000]! ^= 1;
    return bytes;
  });
  await assert.rejects(
    (await savedFiles(damaged.source))("metrics.jsonl", 2 ** 20),
    (error) =>
      error instanceof FormatError && /english\/metrics\.jsonl.*65536 to/.test(error.message),
  );
});

test("the files of tensors are asked for together, and a missing one is named", async () => {
  const { source } = watched((_, bytes) => bytes);
  let missing = "";
  const asked = new Set<string>();
  const { promise: all, resolve } = Promise.withResolvers<void>();
  const open: ByteSource["open"] = async (name) => {
    asked.add(name);
    if (asked.size === 6) resolve();
    // None of the six comes before all are asked for.
    await all;
    if (name === missing) return undefined;
    const bytes = await readFile(new URL(name, english));
    return {
      name,
      size: bytes.length,
      maxGapBytes: 1,
      maxCallBytes: 2 ** 20,
      maxInFlight: 1,
      read: async (begin, into) => into.set(bytes.subarray(begin, begin + into.length)),
      close: async () => undefined,
    };
  };
  await using files = await ModelDirectory.open({ ...source, open });
  const tensors = await files.tensors();
  assert.deepEqual(new Set([...tensors.values()].map(({ file }) => file)), asked);

  missing = "model-engram-00002-of-00004.safetensors";
  await using incomplete = await ModelDirectory.open({ ...source, open });
  await assert.rejects(
    incomplete.tensors(),
    (error) => error instanceof FormatError && error.message.includes(`${missing} is missing`),
  );
});
