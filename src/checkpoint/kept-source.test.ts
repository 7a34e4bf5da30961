import assert from "node:assert/strict";
import test from "node:test";
import { byteSourceConformance } from "../../test/conformance/byte-source.ts";
import { sourceModel } from "../../test/conformance/source-model.ts";
import { type RangeServer, startRangeServer } from "../../test/range-server.ts";
import { httpSource } from "../bytes/index.ts";
import { FormatError, StoreError } from "../errors.ts";
import { type Folder, keptSource } from "./kept-source.ts";
import { ModelDirectory } from "./model-files.ts";

/** A folder in memory, which may refuse to write as a full disk does. */
class MemoryFolder implements Folder {
  readonly files = new Map<string, Uint8Array>();
  isFull = false;

  async open(file: string): ReturnType<Folder["open"]> {
    const bytes = this.files.get(file);
    return bytes && { size: bytes.length, read: async (from, to) => bytes.slice(from, to) };
  }

  async write(file: string, parts: Parameters<Folder["write"]>[1]): Promise<void> {
    const all: Uint8Array[] = [];
    for await (const part of parts) all.push(part.slice());
    if (this.isFull) throw new DOMException("full", "QuotaExceededError");
    this.files.set(file, new Uint8Array(Buffer.concat(all)));
  }

  async clear(): Promise<void> {
    this.files.clear();
  }

  async usedBytes(): Promise<number> {
    return [...this.files.values()].reduce((sum, { length }) => sum + length, 0);
  }
}

const plenty = 2 ** 30;

byteSourceConformance("kept, of a web server", {
  async open(files) {
    const server = await startRangeServer(files);
    const source = keptSource(httpSource(server.origin, { retries: 0 }), {
      folder: new MemoryFolder(),
      mostBytes: plenty,
    });
    return { source, [Symbol.asyncDispose]: () => server.stop() };
  },
  model: sourceModel,
});

/** All tensors of the model at `server`, read through `folder`; and what the server was asked for. */
async function readAll(
  server: RangeServer,
  folder: Folder,
  { mostBytes = plenty, largerThan }: { mostBytes?: number; largerThan?: number } = {},
): Promise<{ tensors: Map<string, Uint8Array>; asked: string[] }> {
  const before = server.requests.length;
  const source = keptSource(httpSource(server.origin, { retries: 0 }), {
    folder,
    mostBytes,
    ...(largerThan !== undefined && { wholeBytes: largerThan }),
  });
  const tensors = new Map<string, Uint8Array>();
  await using model = await ModelDirectory.open(source);
  for (const [name] of await model.tensors()) tensors.set(name, await model.read(name));
  const asked = server.requests.slice(before).map(({ url }) => url!.slice(1));
  return { tensors, asked: asked.filter((name) => name !== "manifest.json") };
}

for (const [kind, largerThan] of [
  ["in one piece", undefined],
  ["in parts", 1000],
] as const)
  test(`what was fetched ${kind} is kept: later only the manifest is asked for`, async () => {
    const files = await sourceModel();
    await using server = await startRangeServer(files);
    const folder = new MemoryFolder();
    const options = largerThan === undefined ? {} : { largerThan };
    const first = await readAll(server, folder, options);
    assert.ok(first.asked.includes("model.safetensors"));
    const again = await readAll(server, folder, options);
    assert.deepEqual(again.tensors, first.tensors);
    assert.deepEqual(
      again.asked.filter((name) => folder.files.has(name)),
      [],
    );
    for (const [name, bytes] of folder.files)
      assert.deepEqual(bytes, Uint8Array.from(files[name]!));
  });

for (const largerThan of [undefined, 1000])
  test(`a kept file that was damaged is fetched again (${largerThan ?? "whole"})`, async () => {
    await using server = await startRangeServer(await sourceModel());
    const folder = new MemoryFolder();
    const options = largerThan === undefined ? {} : { largerThan };
    const { tensors } = await readAll(server, folder, options);
    const kept = folder.files.get("model.safetensors")!;
    kept[kept.length - 9]! ^= 4;
    const again = await readAll(server, folder, options);
    assert.ok(again.asked.includes("model.safetensors"));
    assert.deepEqual(again.tensors, tensors);
    assert.deepEqual(
      (await readAll(server, folder, options)).asked.includes("model.safetensors"),
      false,
    );
  });

test("files that are asked for together are kept one after another, and read where nothing can be kept", async () => {
  const files = await sourceModel();
  await using server = await startRangeServer(files);
  let [busy, most] = [0, 0];
  class SlowFolder extends MemoryFolder {
    isLost = false;
    async #alone<T>(work: () => Promise<T>): Promise<T> {
      most = Math.max(most, ++busy);
      await new Promise((go) => setImmediate(go));
      try {
        return await work();
      } finally {
        busy--;
      }
    }
    override write(...of: Parameters<Folder["write"]>): Promise<void> {
      return this.#alone(() => super.write(...of));
    }
    override usedBytes(): Promise<number> {
      if (this.isLost) return Promise.reject(new DOMException("gone", "NotFoundError"));
      return this.#alone(() => super.usedBytes());
    }
  }
  const read = async (folder: SlowFolder): Promise<Uint8Array[]> => {
    const source = keptSource(httpSource(server.origin, { retries: 0 }), {
      folder,
      mostBytes: plenty,
    });
    await source.read("manifest.json", plenty);
    const names = Object.keys(files).filter((name) => name !== "manifest.json");
    const all = await Promise.all(names.map((name) => source.read(name, plenty)));
    assert.deepEqual(
      all,
      names.map((name) => Uint8Array.from(files[name]!)),
    );
    return all as Uint8Array[];
  };
  const folder = new SlowFolder();
  assert.ok((await read(folder)).length > 2);
  assert.equal(most, 1);
  assert.ok(folder.files.size > 3);
  const lost = new SlowFolder();
  lost.isLost = true;
  await read(lost);
  assert.deepEqual([...lost.files.keys()], ["manifest.json"]);
});

test("another manifest at the address is another model: nothing kept is used", async () => {
  const files: Record<string, Uint8Array> = { ...(await sourceModel()) };
  await using server = await startRangeServer(files);
  const folder = new MemoryFolder();
  await readAll(server, folder);
  files["manifest.json"] = Buffer.from(`${Buffer.from(files["manifest.json"]!).toString()} `);
  const { asked } = await readAll(server, folder);
  assert.ok(asked.includes("model.safetensors"));
  assert.deepEqual(folder.files.get("manifest.json"), Uint8Array.from(files["manifest.json"]));
});

test("without a network, what was kept opens; what was not says what is missing", async () => {
  const files = await sourceModel();
  const server = await startRangeServer(files);
  const folder = new MemoryFolder();
  const { tensors } = await readAll(server, folder);
  await server.stop();
  const kept = keptSource(httpSource(server.origin, { retries: 0 }), { folder, mostBytes: plenty });
  await using model = await ModelDirectory.open(kept);
  for (const [name, bytes] of tensors) assert.deepEqual(await model.read(name), bytes);
  folder.files.delete("model.safetensors");
  await using less = await ModelDirectory.open(
    keptSource(httpSource(server.origin, { retries: 0 }), { folder, mostBytes: plenty }),
  );
  await assert.rejects(less.tensors(), StoreError);
});

test("what has no room is read from the server each time, and nothing is left of it", async () => {
  await using server = await startRangeServer(await sourceModel());
  for (const largerThan of [undefined, 1000])
    for (const isFull of [true, false]) {
      const folder = new MemoryFolder();
      folder.isFull = isFull;
      const options = { mostBytes: 5000, ...(largerThan !== undefined && { largerThan }) };
      for (const _ of [1, 2]) {
        const { asked } = await readAll(server, folder, options);
        assert.ok(asked.includes("model.safetensors"));
        assert.ok((await folder.usedBytes()) <= 5000);
      }
    }
});

test("what the server sends damaged is refused and not kept", async () => {
  const files = await sourceModel();
  const bytes = Uint8Array.from(files["model.safetensors"]!);
  bytes[bytes.length - 5]! ^= 1;
  await using server = await startRangeServer({ ...files, "model.safetensors": bytes });
  for (const largerThan of [undefined, 1000]) {
    const folder = new MemoryFolder();
    const reading = readAll(server, folder, largerThan === undefined ? {} : { largerThan });
    await assert.rejects(reading, FormatError);
    assert.equal(folder.files.has("model.safetensors"), false);
  }
});
