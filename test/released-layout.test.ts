/**
 * The layout of DeepSeek-V4.1-Flash: made up at reduced and, sparse, at full row count, addressed, read and decoded
 * without reading the rest.
 */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { ModelFiles } from "../src/checkpoint/index.ts";
import { openModelDirectory } from "../src/checkpoint/node/index.ts";
import { FormatError, StoreError } from "../src/errors.ts";
import {
  buildLayout,
  hashConstants,
  parseEngramConfig,
  Retrieval,
  type RowStore,
  rowsInRanges,
  SideBySideStore,
  rowFormat,
  rowsForIds,
} from "../src/memory/index.ts";
import {
  isReleasedLayout,
  locateTables,
  releasedTensorNames,
  type TableFiles,
} from "../src/at-rest/index.ts";
import { rowPattern, storeConformance } from "./conformance/store.ts";
import { engramJson } from "./engram.ts";
import { madeUpValues, releasedSizes, writeReleasedDirectory } from "./released-directory.ts";

const folders: string[] = [];
after(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true }))));
async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "engram-released-"));
  folders.push(folder);
  return folder;
}

async function openRetrieval(files: ModelFiles): Promise<Retrieval> {
  const tables = [];
  for (const { layerId, format, open } of await locateTables(
    files,
    parseEngramConfig(files.config),
  )) {
    assert.equal(format.name, "fp8");
    tables.push({ layerId, format, store: await open() });
  }
  return new Retrieval(tables);
}

async function checkRows(directory: string, rows: Record<string, number[][]>): Promise<void> {
  await using files = await openModelDirectory(directory);
  const retrieval = await openRetrieval(files);
  for (const [layer, positions] of Object.entries(rows)) {
    const asked = positions.flat();
    const memory_PE = new Float32Array(asked.length * 256);
    await retrieval.retrieve(Number(layer), { rows: Uint32Array.from(asked), memory_PE });
    for (const [i, row] of asked.entries())
      assert.deepEqual(
        Float64Array.from(memory_PE.subarray(i * 256, (i + 1) * 256)),
        madeUpValues(row),
        `layer ${layer}, row ${row}`,
      );
  }
  await retrieval.close();
}

const golden = JSON.parse(
  await readFile(new URL("golden/engram-vectors.json", import.meta.url), "utf8"),
);

test("at full size, sparse: the published rows are found and decoded exactly, and nothing else is read", async () => {
  const directory = await newFolder();
  const rows: Record<string, number[][]> = golden.v41.cases.A.rows;
  await writeReleasedDirectory(directory, {
    sizes: releasedSizes,
    rows: new Map([1, 14].map((layer) => [layer, rows[layer]!.flat()])),
  });
  const shard = await stat(join(directory, "model-00047-of-00048.safetensors"));
  assert.ok(shard.size > 384_006_168 * 264 && shard.blocks * 512 < 2 ** 24);
  await checkRows(directory, rows);
  const { layout, memory } = await engramJson("show", directory);
  assert.equal(layout, "released");
  assert.equal(memory.hashConstants, "computed");
  assert.equal(memory.rowBytes, 264);
  const [first, second] = memory.layers;
  assert.deepEqual([first.rows, second.rows], [384_006_168, 384_016_682]);
  assert.equal(first.codes.end - first.codes.begin, 384_006_168 * 256);
  assert.equal(first.scales.end - first.scales.begin, 384_006_168 * 8);
  assert.equal(second.codes.file, "model-00048-of-00048.safetensors");
  await checkCommands(directory);
});

/** `engram rows --values` prints what is in the files, and `engram doctor` measures in place. */
async function checkCommands(directory: string): Promise<void> {
  const ids: number[] = golden.v41.cases.A.compressed;
  const config = join(directory, "config.json");
  const printed = await engramJson(
    "rows",
    "--config",
    config,
    "--compressed-ids",
    ids.join(","),
    "--values",
  );
  assert.deepEqual(printed.layers, golden.v41.cases.A.rows);
  for (const layer of ["1", "14"])
    for (const [t, rows] of printed.layers[layer].entries())
      for (const [c, row] of rows.entries())
        assert.deepEqual(
          printed.values[layer][t][c],
          // JSON has no minus zero.
          Array.from(madeUpValues(row), (value) => value + 0),
          `layer ${layer}, token ${t}, row ${row}`,
        );
  const before = await stat(join(directory, "model-00047-of-00048.safetensors"));
  const { table, model, tiers } = await engramJson("doctor", directory);
  assert.equal(table.bytes, (384_006_168 + 384_016_682) * 264);
  assert.equal(table.rowsPerToken, 48);
  assert.equal(model.layout, "released");
  assert.ok(tiers.every(({ tokensPerSecond }: { tokensPerSecond: number }) => tokensPerSecond > 0));
  const later = await stat(join(directory, "model-00047-of-00048.safetensors"));
  assert.deepEqual([later.size, later.mtimeMs], [before.size, before.mtimeMs]);
}

test("rows are decoded from the bytes that they are made of, and from hardly any others", async () => {
  const directory = await newFolder();
  const rows: Record<string, number[][]> = golden.v41.cases.A.rows;
  await writeReleasedDirectory(directory, { sizes: releasedSizes, rows: new Map() });
  await using files = await openModelDirectory(directory);
  const ranges: { path: string; begin: number; end: number }[] = [];
  const watched: TableFiles = {
    path: files.path,
    source: files.source,
    find: (name) => files.find(name),
    async openFile(file) {
      const { readNow: _none, ...inner } = await files.openFile(file);
      return {
        ...inner,
        read(begin, into): Promise<void> {
          ranges.push({ path: inner.name, begin, end: begin + into.length });
          return inner.read(begin, into);
        },
      };
    },
  };
  const tables = await locateTables(watched, parseEngramConfig(files.config));
  assert.ok(await isReleasedLayout(files, parseEngramConfig(files.config)));
  const asked = Uint32Array.from(rows["14"]!.flat());
  const store = await tables[1]!.open();
  assert.deepEqual(ranges, [], "opening reads no tensor");
  await store.read(asked, new Uint8Array(asked.length * 264));
  await store.close();
  const distinct = new Set(asked).size;
  const read = ranges.reduce((n, { begin, end }) => n + end - begin, 0);
  // Rows within a page of each other share a read, with what lies between them.
  assert.ok(read >= distinct * 264 && read <= distinct * (264 + 4096), `${read} bytes`);
  const { parts } = tables[1]!;
  for (const { path, begin, end } of ranges)
    assert.ok(
      parts.some(({ tensor: { file, begin: first } }, i) => {
        const width = [256, 8][i]!;
        const isThere = (row: number): boolean =>
          first + row * width >= begin && first + (row + 1) * width <= end;
        return files.source.nameOf(file) === path && asked.some(isThere);
      }),
      `bytes ${begin} to ${end} of ${path} hold no row that was asked for`,
    );
});

test("hash constants that are stored with a model are checked by show, and wrong ones refused", async () => {
  const directory = await writeReduced();
  const file = join(directory, "config.json");
  const config = JSON.parse(await readFile(file, "utf8"));
  const constants = hashConstants(buildLayout(parseEngramConfig(config)));
  const write = (engram_hash: unknown): Promise<void> => {
    const text_config = { ...config.text_config, engram_hash };
    return writeFile(file, JSON.stringify({ ...config, text_config }));
  };
  await write(constants);
  assert.equal((await engramJson("show", directory)).memory.hashConstants, "checked");
  await write([constants[0], { ...constants[1], offsets: constants[0]!.offsets }]);
  await assert.rejects(engramJson("show", directory), /layer 14: "offsets" should be/);
});

const reduced = { layerIds: [1, 14], base: 50, compressedVocab: 99 };

/** As the layout has them: the sums of the primes. */
function reducedRows(): number[] {
  return buildLayout({
    layerIds: reduced.layerIds,
    maxNgramSize: 4,
    numHeads: 8,
    minBucketRows: [50, 50, 50],
    padTokenId: 2,
    compressedVocabSize: 99,
    seed: 0,
  }).layers.map(({ numRows }) => numRows);
}

async function writeReduced(): Promise<string> {
  const directory = await newFolder();
  const numRows = reducedRows();
  const all = (count: number): number[] => Array.from({ length: count }, (_, row) => row);
  await writeReleasedDirectory(directory, {
    sizes: { ...reduced, numRows },
    rows: new Map([
      [1, all(numRows[0]!)],
      [14, all(numRows[1]!)],
    ]),
  });
  return directory;
}

test("at reduced size: every row that a text addresses is decoded exactly", async () => {
  const directory = await writeReduced();
  const config = parseEngramConfig(
    JSON.parse(await readFile(join(directory, "config.json"), "utf8")),
  );
  const compressedIds = Array.from({ length: 200 }, (_, i) => (i * i * 31 + i) % 99);
  await checkRows(directory, rowsForIds({ config, compressedIds }).layers);
});

test("tables of other shapes, and shards that are cut, are refused by name", async () => {
  const directory = await writeReduced();
  await using files = await openModelDirectory(directory);
  const [numRows] = reducedRows();
  const engram = parseEngramConfig(files.config);
  const names = releasedTensorNames(1);
  const located = (change: Record<string, unknown>, of: string): Promise<unknown> =>
    locateTables(
      {
        path: files.path,
        source: files.source,
        openFile: (file) => files.openFile(file),
        find: async (name) =>
          name === of ? { ...(await files.find(name))!, ...change } : files.find(name),
      },
      engram,
    );
  await assert.rejects(
    located({ shape: [numRows! + 1, 256] }, names.codes),
    (error) =>
      error instanceof FormatError && /layers\.1\.engram\.embed\.weight/.test(error.message),
  );
  await assert.rejects(located({ dtype: "F8_E4M3" }, names.scales), /F8_E8M0/);
  const [first] = await locateTables(files, engram);
  const store = await first!.open();
  const shard = join(directory, "model-00047-of-00048.safetensors");
  await truncate(shard, (await stat(shard)).size - 8);
  await store.read(Uint32Array.of(numRows! - 2), new Uint8Array(264));
  await assert.rejects(
    store.read(Uint32Array.of(numRows! - 1), new Uint8Array(264)),
    (error) =>
      error instanceof StoreError && /00047-of-00048.* ends at byte .*shrunk/.test(error.message),
  );
  await store.close();
});

// The suite's rows of 33 and 264 bytes are such rows; the others are cut to size by the test.
storeConformance("released layout", {
  skipLarge: true,
  makeStore: async ({ numRows, rowBytes, rows }) => {
    const headDim = Array.from({ length: 300 }, (_, d) => d + 1).find(
      (d) => rowFormat("fp8", d).rowBytes >= Math.max(2, rowBytes),
    )!;
    const inner = tensorsInMemory({ numRows, headDim, rows });
    if (inner.rowBytes === rowBytes) return { store: inner };
    const store = {
      numRows,
      rowBytes,
      async read(asked: Uint32Array, into: Uint8Array): Promise<void> {
        const wide = new Uint8Array(asked.length * inner.rowBytes);
        await inner.read(asked, wide);
        assert.ok(into.length >= asked.length * rowBytes, "left to the inner store's own test");
        for (let i = 0; i < asked.length; i++)
          into.set(wide.subarray(i * inner.rowBytes, i * inner.rowBytes + rowBytes), i * rowBytes);
      },
      close: () => inner.close(),
    };
    return { store };
  },
});

interface Tensors {
  readonly numRows: number;
  readonly headDim: number;
  readonly rows: ReadonlyMap<number, Uint8Array>;
}

/** Two tensors, with each row's bytes dealt out to both. */
function tensorsInMemory({ numRows, headDim, rows }: Tensors): RowStore {
  const numScales = Math.ceil(headDim / 32);
  const tensors = [new Uint8Array(numRows * headDim), new Uint8Array(numRows * numScales)];
  for (const [row, bytes] of rows) {
    tensors[0]!.set(bytes.subarray(0, headDim), row * headDim);
    tensors[1]!.set(bytes.subarray(headDim), row * numScales);
  }
  return new SideBySideStore(
    tensors.map((tensor) => {
      let isClosed = false;
      return rowsInRanges(
        {
          name: "memory",
          size: tensor.length,
          maxGapBytes: 64,
          maxCallBytes: 4096,
          maxInFlight: 4,
          async read(begin, into): Promise<void> {
            if (isClosed) throw new StoreError("the tensor is closed");
            into.set(tensor.subarray(begin, begin + into.length));
          },
          async close(): Promise<void> {
            isClosed = true;
          },
        },
        { numRows, rowBytes: tensor.length / numRows, offset: 0 },
      );
    }),
  );
}

test("made-up rows differ from each other", () => {
  assert.notDeepEqual(madeUpValues(1), madeUpValues(65_537));
  assert.notDeepEqual(rowPattern(1, 8), rowPattern(2, 8));
});
