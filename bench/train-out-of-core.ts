/**
 * Claim: with the table on disk, behind a quarter of its size in RAM, a training step takes at most 1.10 of the
 * time it takes with the table in RAM, and a checkpoint does not copy the table.
 *
 *   node bench/train-out-of-core.ts [--preset small] [--bucket-rows 250000] [--share 0.25] [--text FILE]
 *        [--tokenizer FILE] [--threads 2] [--rounds 3] [--steps 3] [--warm-up 2] [--dir DIR]
 *
 * Two runs on the same text from the same start, one table in RAM, one out of core; every row of both was
 * written before (so none is known to be zero without looking). Inside the window of a step: `trainer.step()`, look-up,
 * forward, backward, both optimizers, the update of rows. Runs take turns in blocks of `--steps` steps:
 *
 *     RAM | disk, pages of the log as the kernel keeps them | RAM | disk, after each step its pages are thrown out
 *
 * A disk block lasts until nothing is under way in the background any more, so that what the run leaves behind
 * is charged to it; ratios of whole blocks and of medians over steps are printed, with the 90th percentile.
 * Writing back for the eviction (`sync FILE`, `dd iflag=nocache`) is outside the windows, and kept in them where
 * the kernel does it by itself. "Warm" is after `--warm-up` steps in each run; the first step after opening, whose
 * rows nobody could fetch ahead, is printed by itself as "cold". At the end: a checkpoint of each run after
 * another block, time and bytes. Losses of the runs must be equal to the bit.
 */
import { readOptions } from "./setup/command-line.ts";
import { findBenchPreset } from "./setup/bench-presets.ts";
import { spawnSync } from "node:child_process";
import { createReadStream } from "node:fs";
import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { TokenStream } from "../src/inference/index.ts";
import {
  buildAddressing,
  buildLayout,
  buildTokenMap,
  compressedPad,
  type EngramConfig,
  planTableMemory,
  rowFormat,
  TrainableHashedMemory,
  type WritableRowStore,
} from "../src/memory/index.ts";
import { initialParams, type ModelConfig, paramLayout, paramViews } from "../src/model/index.ts";
import { ortBackend } from "../src/tensor/backends/onnx/node/index.ts";
import {
  parseTokenizerJson,
  type Tokenizer,
  toTokenizerJson,
  trainBpe,
} from "../src/tokenizer/index.ts";
import {
  flatArrays,
  packDocuments,
  type TrainableModel,
  Trainer,
  type TrainingState,
} from "../src/training/index.ts";
import { RamTable, type TrainedTable } from "../src/at-rest/index.ts";
import { OutOfCoreTrainedTable } from "../src/at-rest/node/index.ts";
import { saveTrainingState } from "../src/training/node/index.ts";
import { median } from "./setup/training-run.ts";

const sample = fileURLToPath(new URL("../assets/tinyshakespeare.txt", import.meta.url));
const flags = readOptions({
  preset: "small",
  "bucket-rows": 250000,
  share: 0.25,
  text: sample,
  tokenizer: undefined,
  threads: 2,
  rounds: 3,
  steps: 3,
  "warm-up": 2,
  dir: tmpdir(),
});
/** Enough for every step of this bench, and read in a second or two. */
const TEXT_CHARACTERS = 6_000_000;
const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
const preset = findBenchPreset(flags.preset);
// Every sequence reads its rows and changes them, from the first step on.
const recipe = { ...preset.training, steps: 1_000_000, memoryFadeIn: 0 };
const stepsOfBlock = flags.steps;
const backend = ortBackend({ threads: flags.threads });
const folder = await mkdtemp(join(flags.dir, "engram-out-of-core-"));

async function readText(path: string): Promise<string[]> {
  if (!path.endsWith(".jsonl")) return [(await readFile(path, "utf8")).slice(0, TEXT_CHARACTERS)];
  const texts: string[] = [];
  let length = 0;
  for await (const line of createInterface({ input: createReadStream(path) })) {
    const { text } = JSON.parse(line) as { text: string };
    texts.push(text);
    if ((length += text.length) > TEXT_CHARACTERS) break;
  }
  return texts;
}

async function tokenizerFor(texts: readonly string[]): Promise<Tokenizer> {
  if (flags.tokenizer !== undefined)
    return await parseTokenizerJson(await readFile(flags.tokenizer, "utf8"));
  async function* parts(): AsyncGenerator<string> {
    for (const text of texts) yield text.slice(0, 500_000);
  }
  return await parseTokenizerJson(toTokenizerJson(await trainBpe(parts(), { vocabSize: 1024 })));
}

interface Run {
  readonly name: string;
  readonly trainer: Trainer;
  readonly state: TrainingState;
  readonly tables: readonly TrainedTable[];
  readonly losses: number[];
}

const texts = await readText(flags.text);
const tokenizer = await tokenizerFor(texts);
async function* documents(): AsyncGenerator<{ text: string }> {
  for (const text of texts) yield { text };
}
const stream: TokenStream = await packDocuments(documents(), tokenizer);
const tokenMap = buildTokenMap(tokenizer);
const engram: EngramConfig = {
  ...preset.memory,
  minBucketRows: preset.memory.minBucketRows.map(() => flags["bucket-rows"]),
  padTokenId: tokenizer.eosTokenId!,
  compressedVocabSize: tokenMap.compressedVocabSize,
  seed: 0,
};
const config: ModelConfig = { ...preset.model, vocabSize: tokenizer.vocabSize, engram };
const layout = paramLayout(config);
const { headDim } = engram;
const rowBytes = 4 * headDim + 4;
const layers = buildLayout(engram).layers;

async function makeRun(name: string, tables: readonly TrainedTable[]): Promise<Run> {
  for (const table of tables) {
    await table.begin();
    await fill(table.values, { least: -0.01, most: 0.01 });
    await fill(table.moments, { least: 1, most: 2 });
  }
  const arrays = flatArrays(layout, initialParams(layout, 1));
  const model: TrainableModel = {
    config,
    backend,
    params: paramViews(layout, arrays.params),
    memory: new TrainableHashedMemory(
      {
        tokenMap,
        addressing: buildAddressing(buildLayout(engram), compressedPad(engram, tokenMap)),
        tables: tables.map(({ layerId, values }) => ({
          layerId,
          store: values,
          format: rowFormat("f32", headDim),
        })),
      },
      tables,
    ),
  };
  const state = { layout, arrays, step: 0 };
  const trainer = await Trainer.create(model, state, { recipe, stream, seed: 1 });
  return { name, trainer, state, tables, losses: [] };
}

/** Every row, with numbers that follow from its place: the same in both runs. */
async function fill(
  store: WritableRowStore,
  { least, most }: { least: number; most: number },
): Promise<void> {
  const chunk = 65_536;
  const width = store.rowBytes / 4;
  for (let first = 0; first < store.numRows; first += chunk) {
    const count = Math.min(chunk, store.numRows - first);
    const values = new Float32Array(count * width);
    for (let i = 0; i < values.length; i++) {
      const mixed = Math.imul(first * width + i + 1, 0x9e3779b1) >>> 8;
      values[i] = least + ((most - least) * mixed) / 2 ** 24;
    }
    const rows = Uint32Array.from({ length: count }, (_, i) => first + i);
    await store.write(rows, new Uint8Array(values.buffer));
  }
}

const logPath = (layerId: number): string => join(folder, `layer-${layerId}.rows`);

/** Out of the page cache: clean pages only, so what is dirty is written first. */
function evict(): void {
  for (const { layerId } of layers)
    for (const [program, args] of [
      ["sync", [logPath(layerId)]],
      ["dd", [`if=${logPath(layerId)}`, "iflag=nocache", "count=0"]],
    ] as const) {
      const { status, stderr } = spawnSync(program, args, { encoding: "utf8" });
      if (status !== 0) throw new Error(`cannot empty the page cache: ${stderr}`);
    }
}

interface Block {
  readonly steps: number[];
  readonly total: number;
  /** Processor time of all threads, in milliseconds: says more than the clock where others are at work. */
  readonly cpu: number;
}

async function block(
  run: Run,
  { count, isEvicting = false }: { count: number; isEvicting?: boolean },
): Promise<Block> {
  const steps: number[] = [];
  const cpuBefore = process.cpuUsage();
  for (let i = 0; i < count; i++) {
    if (isEvicting) evict();
    const start = performance.now();
    const { loss } = await run.trainer.step();
    steps.push(performance.now() - start);
    run.losses.push(loss);
  }
  const start = performance.now();
  for (const table of run.tables)
    if (table instanceof OutOfCoreTrainedTable) await table.table.settled();
  const total = steps.reduce((a, b) => a + b, 0) + performance.now() - start;
  const { user, system } = process.cpuUsage(cpuBefore);
  return { steps, total, cpu: (user + system) / 1000 };
}

const p90 = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(0.9 * values.length)]!;

try {
  const tableBytes = layers.reduce((n, { numRows }) => n + numRows * rowBytes, 0);
  const shapes = layers.map(({ layerId, numRows }) => ({ layerId, numRows, headDim }));
  const onDisk = shapes.map((shape) => {
    const memory = planTableMemory({
      numRows: shape.numRows,
      rowBytes,
      bytes: Math.floor(flags.share * shape.numRows * rowBytes),
      leastRows: 2 * recipe.batch * recipe.length * recipe.accumulate * 2 * engram.numHeads,
    });
    return new OutOfCoreTrainedTable(shape, { path: logPath(shape.layerId), memory });
  });
  const ram = await makeRun(
    "in RAM",
    shapes.map((shape) => new RamTable(shape)),
  );
  const disk = await makeRun("on disk", onDisk);
  const load = spawnSync("uptime", { encoding: "utf8" }).stdout.split("load average: ")[1]?.trim();
  console.log(
    `preset ${flags.preset}, ${flags.threads} threads, load ${load}\n` +
      `table of ${mib(tableBytes)} with moments; ${onDisk.map(({ plan }) => plan).join("; ")}`,
  );
  // What filling left in memory is thrown out by the first checkpoint's flush and reading on.
  const checkpointOf = async (run: Run): Promise<{ ms: number; bytes: number }> => {
    const before = writtenBy(run);
    const start = performance.now();
    const { path } = await saveTrainingState(join(folder, run.name), {
      step: run.state.step,
      identity: {},
      config: {},
      tokenizer: "{}",
      params: paramViews(layout, run.state.arrays.params),
      layout,
      arrays: run.state.arrays,
      tables: run.tables,
    });
    const ms = performance.now() - start;
    let bytes = writtenBy(run) - before;
    for (const name of await readdir(path)) bytes += (await stat(join(path, name))).size;
    return { ms, bytes };
  };
  await checkpointOf(disk);
  evict();
  const cold = [await block(ram, { count: 1 }), await block(disk, { count: 1 })];
  console.log(
    `first step, cold: in RAM ${cold[0]!.total.toFixed(0)} ms, on disk ${cold[1]!.total.toFixed(0)} ms`,
  );
  const warmUp = flags["warm-up"];
  await block(ram, { count: warmUp });
  await block(disk, { count: warmUp });

  const kinds = ["as the kernel keeps them", "thrown out before each step"] as const;
  const results = kinds.map(() => ({ ram: [] as Block[], disk: [] as Block[] }));
  const before = statsOf(disk);
  for (let round = 0; round < flags.rounds; round++)
    for (const [kind, result] of results.entries()) {
      result.ram.push(await block(ram, { count: stepsOfBlock }));
      result.disk.push(await block(disk, { count: stepsOfBlock, isEvicting: kind === 1 }));
    }
  const after = statsOf(disk);
  for (const [kind, result] of results.entries()) {
    const steps = {
      ram: result.ram.flatMap((b) => b.steps),
      disk: result.disk.flatMap((b) => b.steps),
    };
    const cpu = {
      ram: median(result.ram.map((b) => b.cpu / stepsOfBlock)),
      disk: median(result.disk.map((b) => b.cpu / stepsOfBlock)),
    };
    const totals = { ram: result.ram.map((b) => b.total), disk: result.disk.map((b) => b.total) };
    console.log(
      [
        `pages ${kinds[kind]}: ${steps.ram.length} steps each`,
        `  step in RAM   median ${median(steps.ram).toFixed(0)} ms, p90 ${p90(steps.ram).toFixed(0)} ms`,
        `  step on disk  median ${median(steps.disk).toFixed(0)} ms, p90 ${p90(steps.disk).toFixed(0)} ms`,
        `  ratio of medians ${(median(steps.disk) / median(steps.ram)).toFixed(3)}, of whole blocks ` +
          `${(median(totals.disk) / median(totals.ram)).toFixed(3)} (bar: 1.10)`,
        `  processor time a step: in RAM ${cpu.ram.toFixed(0)} ms, on disk ${cpu.disk.toFixed(0)} ms, ` +
          `ratio ${(cpu.disk / cpu.ram).toFixed(3)}`,
      ].join("\n"),
    );
  }
  const done = 2 * stepsOfBlock * flags.rounds;
  const each = (name: keyof typeof after): number => (after[name] - before[name]) / done;
  console.log(
    `a step: ${each("misses").toFixed(0)} rows fetched of ${(each("hits") + each("misses")).toFixed(0)} accesses in ` +
      `${each("reads").toFixed(0)} reads, ${mib(each("bytesRead"))} read; ${each("rowsWritten").toFixed(0)} rows and ` +
      `${mib(each("bytesWritten"))} written back, ${each("rowsMoved").toFixed(0)} rows moved; log ` +
      `${mib((await stat(logPath(layers[0]!.layerId))).size)}`,
  );
  const full = await checkpointOf(ram);
  await checkpointOf(disk);
  await block(disk, { count: stepsOfBlock });
  await block(ram, { count: stepsOfBlock });
  const small = await checkpointOf(disk);
  console.log(
    `checkpoint: ${mib(full.bytes)} in ${full.ms.toFixed(0)} ms with the table in RAM (a full copy); ` +
      `${mib(small.bytes)} in ${small.ms.toFixed(0)} ms on disk, ${stepsOfBlock} steps after the one before; ` +
      `of both, weights and optimizer are ${mib(12 * layout.length)}`,
  );
  const isEqual = ram.losses.every((loss, i) => loss === disk.losses[i]);
  console.log(`losses of ${ram.losses.length} steps ${isEqual ? "equal to the bit" : "DIFFER"}`);
  for (const { trainer, tables } of [ram, disk]) {
    await trainer.dispose();
    for (const table of tables) await table.close();
  }
  if (!isEqual) process.exitCode = 1;
} finally {
  await backend.dispose();
  await rm(folder, { recursive: true, force: true });
}

function statsOf(
  run: Run,
): Record<
  "hits" | "misses" | "reads" | "bytesRead" | "bytesWritten" | "rowsWritten" | "rowsMoved",
  number
> {
  const sum = {
    hits: 0,
    misses: 0,
    reads: 0,
    bytesRead: 0,
    bytesWritten: 0,
    rowsWritten: 0,
    rowsMoved: 0,
  };
  for (const table of run.tables)
    if (table instanceof OutOfCoreTrainedTable)
      for (const name of Object.keys(sum) as (keyof typeof sum)[]) sum[name] += table.stats[name];
  return sum;
}

function writtenBy(run: Run): number {
  return statsOf(run).bytesWritten;
}
