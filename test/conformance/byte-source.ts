/**
 * What every source of files must do, whatever carries the bytes, and what models that are read from it are protected
 * against: missing and damaged files, other sizes, cut bodies. Called by each source's own test.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ByteSource } from "../../src/bytes/index.ts";
import { ModelDirectory } from "../../src/checkpoint/index.ts";
import { FormatError, StoreError } from "../../src/errors.ts";

/** Files by name, as the source shall have them. */
export type SourceFiles = Readonly<Record<string, Uint8Array>>;

export interface SourceKind {
  /** A source of exactly these files, to be disposed of. */
  open(files: SourceFiles): Promise<AsyncDisposable & { readonly source: ByteSource }>;
  /** The files of a sound model with a manifest: more than one part in model.safetensors, "w" and "table" its tensors. */
  model(): Promise<SourceFiles>;
}

export function byteSourceConformance(name: string, { open, model }: SourceKind): void {
  const some = Uint8Array.from({ length: 5000 }, (_, i) => i % 251);

  const reading = async (files: SourceFiles): Promise<void> => {
    await using opened = await open(files);
    await using read = await ModelDirectory.open(opened.source);
    await read.tokenizer();
    for (const [tensor] of await read.tensors()) await read.read(tensor);
  };

  describe(`source: ${name}`, () => {
    test("a file is read whole, and undefined where there is none", async () => {
      await using opened = await open({ "a.json": some, "ä %?#.json": some.subarray(0, 3) });
      const { source } = opened;
      assert.deepEqual(Uint8Array.from((await source.read("a.json", 5000))!), some);
      assert.deepEqual(Uint8Array.from((await source.read("ä %?#.json", 9))!), some.subarray(0, 3));
      assert.equal(await source.read("b.json", 5000), undefined);
      assert.equal(await source.open("b.json"), undefined);
    });

    test("a file that is longer than it may be is not read", async () => {
      await using opened = await open({ "a.json": some });
      await assert.rejects(
        opened.source.read("a.json", 4999),
        (error) =>
          error instanceof FormatError &&
          error.message.startsWith(`${opened.source.nameOf("a.json")} is longer than 4999 bytes`),
      );
    });

    test("any range of a file is read, and no other bytes", async () => {
      await using opened = await open({ "a.bin": some });
      for (const isRandom of [true, false]) {
        const ranges = (await opened.source.open("a.bin", { isRandom }))!;
        assert.equal(ranges.size, some.length);
        assert.equal(ranges.name, opened.source.nameOf("a.bin"));
        for (const [begin, end] of [
          [0, 5000],
          [0, 1],
          [4999, 5000],
          [17, 4000],
        ] as const) {
          const into = new Uint8Array(end - begin + 2).fill(255);
          await ranges.read(begin, into.subarray(1, -1));
          assert.deepEqual(into.subarray(1, -1), some.subarray(begin, end));
          assert.deepEqual([into[0], into.at(-1)], [255, 255]);
        }
        await ranges.close();
      }
    });

    test("a range beyond the end is an error, never short", async () => {
      await using opened = await open({ "a.bin": some });
      const ranges = (await opened.source.open("a.bin"))!;
      await assert.rejects(ranges.read(4990, new Uint8Array(11)), StoreError);
      await ranges.close();
    });

    test("what was closed is read no more", async () => {
      await using opened = await open({ "a.bin": some });
      const ranges = (await opened.source.open("a.bin"))!;
      await ranges.close();
      await ranges.close();
      await assert.rejects(ranges.read(0, new Uint8Array(1)), StoreError);
    });

    test("a model is read as it was written, its tables by range", async () => {
      const files = await model();
      await reading(files);
      await using opened = await open(files);
      await using read = await ModelDirectory.open(opened.source);
      const { file, begin, end } = (await read.find("table"))!;
      const table = await read.openFile(file, { isRandom: true });
      const into = new Uint8Array(100);
      for (const at of [begin, begin + 12_345, end - 100]) {
        await table.read(at, into);
        assert.deepEqual(into, files[file]!.subarray(at, at + 100));
      }
      await table.close();
    });

    test("a flipped byte in any file is found, and the file is named", async () => {
      const files = await model();
      for (const [file, bytes] of Object.entries(files))
        for (let at = 0; at < bytes.length; at += Math.ceil(bytes.length / 7)) {
          const damaged = Uint8Array.from(bytes);
          damaged[at]! ^= 1 << (at % 8);
          await assert.rejects(
            reading({ ...files, [file]: damaged }),
            (error) => error instanceof FormatError && error.message.includes(file),
            `byte ${at} of ${file}`,
          );
        }
    });

    test("a file of another size, and one that is missing, are found and named", async () => {
      const files = await model();
      for (const [file, bytes] of Object.entries(files)) {
        const { [file]: _, ...others } = files;
        for (const changed of [
          // A manifest is whole without its last line's end.
          { ...others, [file]: bytes.subarray(0, -2) },
          { ...others, [file]: Uint8Array.from([...bytes, 0]) },
          ...(file === "manifest.json" ? [] : [others]),
        ])
          await assert.rejects(
            reading(changed),
            (error) => error instanceof FormatError && error.message.includes(file),
            `${file}, ${changed[file]?.length}`,
          );
      }
    });

    test("where nothing is, no model is found, and where is said", async () => {
      await using opened = await open({});
      await assert.rejects(
        ModelDirectory.open(opened.source),
        (error) => error instanceof FormatError && error.message.startsWith(opened.source.name),
      );
    });
  });
}
