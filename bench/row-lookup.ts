/**
 * Rows from a table in memory. Claims it stands for: at least 4 M random 64-byte rows a second and
 * core from a 4 GiB table, and at least half of what a C loop of random copies reaches on the machine.
 *
 *   taskset -c 1 node bench/row-lookup.ts [--gib 4] [--row-bytes 64] [--rows 32768] [--rounds 40]
 *                                         [--small-pages] [--loops]
 *
 * `--loops` turns WebAssembly off: the store's JavaScript loops. Run it on one core (taskset). Needs `cc`
 * for the C loop.
 *
 * Inside the timing window: one call that copies `--rows` random rows (drawn anew each round, the same
 * for every way) to one array, checks of the ids included where the way has them. Outside: drawing the
 * rows, allocation, the first touch of the table, compiling C. The ways take turns in each round, in
 * random order, on one table; the figures are medians of the rounds. 32,768 rows are a training batch
 * of 2,048 tokens with 16 rows each.
 */
import { readOptions } from "./setup/command-line.ts";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import koffi from "koffi";
import { RamStore } from "../src/memory/index.ts";
import { Random } from "../src/numerics/index.ts";
import { adviseHugePages } from "../src/tensor/backends/onnx/node/index.ts";

const flags = readOptions({
  gib: 4,
  "row-bytes": 64,
  rows: 32768,
  rounds: 40,
  "small-pages": false,
  loops: false,
});
const rowBytes = flags["row-bytes"];
const numRows = Math.floor((flags.gib * 2 ** 30) / rowBytes);
const batchRows = flags.rows;
const rounds = flags.rounds;

type RowGather = (table: Uint8Array, rowBytes: number, rows: Uint32Array, into: Uint8Array) => void;

/** The C loop as a library in this process, so that it reads the very same pages. */
function compileC(): Record<"plain" | "prefetch", RowGather> {
  const folder = mkdtempSync(join(tmpdir(), "engram-bench-"));
  const library = join(folder, "row-lookup.so");
  const source = fileURLToPath(new URL("row-lookup.c", import.meta.url));
  execFileSync("cc", ["-O2", "-shared", "-fPIC", "-o", library, source]);
  const handle = koffi.load(library);
  rmSync(folder, { recursive: true });
  const bind = (name: string): RowGather => {
    const types = ["uintptr_t", "uint64_t", "uintptr_t", "uint64_t", "uintptr_t"];
    const call = handle.func(name, "void", types);
    return (table, bytes, rows, into) =>
      call(koffi.address(table), bytes, koffi.address(rows), rows.length, koffi.address(into));
  };
  return { plain: bind("copy_rows"), prefetch: bind("copy_rows_prefetch") };
}

const advise = flags["small-pages"] ? undefined : adviseHugePages;
const store = new RamStore({
  numRows,
  rowBytes,
  ...(advise && { advise }),
  ...(flags.loops && { wasmFromBytes: Infinity }),
});
// One segment, so that the C loop needs no more than an address.
if (store.segments.length !== 1) throw new Error("--gib is at most 4 and a power of two of rows");
const table = store.segments[0]!;
const started = performance.now();
const words = new Uint32Array(table.buffer, 0, table.length / 4);
for (let i = 0; i < words.length; i++) words[i] = Math.imul(i, 0x9e3779b1);
console.log(
  `${cpus()[0]?.model}, Node ${process.version}, ${flags.loops ? "JavaScript loops" : "WebAssembly"}, ${flags.gib} GiB table of ${numRows} rows of ` +
    `${rowBytes} bytes, ${advise === undefined ? "4 KiB pages" : "huge pages asked for"}, ` +
    `${batchRows} rows a call, ${rounds} rounds; first touch ${((performance.now() - started) / 1000).toFixed(1)} s`,
);

const c = compileC();
const into = new Uint8Array(batchRows * rowBytes);
const rows = new Uint32Array(batchRows);

const ways = new Map<string, () => void>([
  ["C loop", () => c.plain(table, rowBytes, rows, into)],
  ["C loop with prefetch", () => c.prefetch(table, rowBytes, rows, into)],
  ["RAM store", () => store.readSync(rows, into)],
]);

const random = Random.fromSeed(1);
const times = new Map([...ways.keys()].map((way) => [way, [] as number[]]));
for (let round = -3; round < rounds; round++) {
  for (let i = 0; i < batchRows; i++) rows[i] = random.int(numRows);
  const order = [...ways.keys()];
  for (let i = order.length - 1; i > 0; i--) {
    const j = random.int(i + 1);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  for (const way of order) {
    into.fill(0);
    const start = performance.now();
    ways.get(way)!();
    const elapsed = performance.now() - start;
    if (round >= 0) times.get(way)!.push(elapsed);
    else checkAnswer(way);
  }
}

/** In the rounds that warm up: no way may be fast and wrong. */
function checkAnswer(way: string): void {
  for (let i = 0; i < batchRows; i++) {
    const at = rows[i]! * rowBytes;
    for (let b = 0; b < rowBytes; b++)
      if (into[i * rowBytes + b] !== table[at + b])
        throw new Error(`${way}: row ${rows[i]} came back wrong at byte ${b}`);
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

const rate = (way: string): number => batchRows / median(times.get(way)!) / 1000;
const yardstick = rate("C loop");
for (const way of ways.keys()) {
  const ratio = rate(way) / yardstick;
  console.log(
    `${way.padEnd(32)} ${rate(way).toFixed(2).padStart(7)} M rows/s   ${ratio.toFixed(2)} of the C loop`,
  );
}
const best = rate("RAM store");
console.log(
  `bars: >= 4 M rows/s: ${best.toFixed(2)} ${best >= 4 ? "met" : "MISSED"};  ` +
    `>= 0.5 of the C loop: ${(best / yardstick).toFixed(2)} ${best / yardstick >= 0.5 ? "met" : "MISSED"}`,
);
