/**
 * Decoding with the table in RAM, and with a quarter of it: on disk, behind a cache of a quarter of its bytes. Claims
 * it stands for: after warm-up, 0.99 of the tokens/s in RAM and a p99 of at most 1.03 of it; and what it is while
 * everything is cold.
 *
 *   node bench/decode-tiers.ts [--text FILE] [--tokenizer FILE] [--preset small or 30m] [--rows 4000000] [--share 0.25]
 *     [--threads 2] [--rounds 12] [--tokens 100] [--dir DIR]
 *
 * Inside the timing windows: one `append` of one token of the text (hashing, look-up, the whole model). Outside: making
 * the table (on disk in full, no row is zero), warming the caches with the row counts of the first part of the text,
 * throwing the file out of the page cache. Rounds read what comes after that part, each side the same tokens in turn;
 * the first round is left out; every side must predict the same tokens. Before each turn another process reads or throws
 * out the file, for RAM as well, so that all sides begin alike.
 *   "page cache hot": the whole file was read once, the system may keep all of it. "page cache cold": the file is thrown
 *   out before every round, and what a round brings back is all that there is. "all cold": the cache is empty, too, when
 *   a round begins. Whether a thrown-out file is out is asked of the system (preadv2) and printed.
 */
import { readOptions } from "./setup/command-line.ts";
import { spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openFileRanges } from "../src/bytes/node/index.ts";
import { cached, measured, RamStore, type RowStore, rowsInRanges } from "../src/memory/index.ts";
import { ortBackend } from "../src/tensor/backends/onnx/node/index.ts";
import { decodeRounds, printResults, type Side } from "./setup/decode-rounds.ts";
import { fillTable, textModel, textOptions } from "./setup/text-model.ts";

process.env["UV_THREADPOOL_SIZE"] ??= "16";
const flags = readOptions({
  ...textOptions,
  rows: 4000000,
  share: 0.25,
  threads: 2,
  rounds: 12,
  tokens: 100,
  dir: tmpdir(),
});
const { rounds, tokens } = flags;
const setup = await textModel({
  backend: ortBackend({ threads: flags.threads }),
  preset: flags.preset,
  numRows: flags.rows,
  text: flags.text,
  tokenizer: flags.tokenizer,
});
const { numRows, format, ids } = setup;
const { rowBytes } = format;
const bytes = Math.floor(flags.share * numRows * rowBytes);
const folder = await mkdtemp(join(flags.dir, "engram-decode-tiers-"));
const path = join(folder, "table.bin");

try {
  const ram = new RamStore({ numRows, rowBytes });
  await fillTable(setup, async (rows, content) => ram.writeSync(rows, content));
  await writeFile(path, ram.segments, { flush: true });
  const openFile = async (): Promise<RowStore> =>
    rowsInRanges(await openFileRanges(path), { rowBytes, numRows, offset: 0 });
  const file = await openFile();
  const warmUpTo = ids.length - (rounds + 1) * tokens;
  const counts = setup.countRows(0, warmUpTo);
  const onDisk = async (): Promise<RowStore> => measured(await openFile(), { tier: "disk" });
  const warmed = async (): Promise<RowStore> => {
    const store = cached(await onDisk(), { bytes });
    await store.warm(counts);
    return store;
  };
  // A store whose cache starts anew with every round.
  const disk = await onDisk();
  let fresh: RowStore = cached(disk, { bytes });
  const cold: RowStore = {
    numRows,
    rowBytes,
    read: (rows, into) => fresh.read(rows, into),
    readNow: (rows, into) => fresh.readNow!(rows, into),
    prefetch: (rows) => fresh.prefetch!(rows),
    close: () => fresh.close(),
  };
  const hotStore = await warmed();
  const coldStore = await warmed();
  const sides: Side[] = [
    { name: "RAM", model: setup.withTable(ram), before: readWhole },
    { name: "warm cache, page cache hot", model: setup.withTable(hotStore), before: readWhole },
    { name: "warm cache, page cache cold", model: setup.withTable(coldStore), before: evict },
    {
      name: "all cold",
      model: setup.withTable(cold),
      before: () => {
        fresh = cached(disk, { bytes });
        evict();
      },
    },
  ];
  evict();
  // Distinct rows far from one another: asking for one makes the system fetch its neighbourhood.
  const sample = Array.from({ length: 500 }, (_, i) => Math.floor(((i + 0.5) * numRows) / 500));
  let here = 0;
  for (const row of sample)
    if (file.readNow!(Uint32Array.of(row), new Uint8Array(rowBytes))) here++;
  console.log(
    `${numRows} rows of ${rowBytes} bytes (${((numRows * rowBytes) / 2 ** 20).toFixed(0)} MiB), cache ` +
      `${(bytes / 2 ** 20).toFixed(0)} MiB; warmed with ${warmUpTo} tokens of ${flags.text}, read ${rounds} rounds of ` +
      `${tokens}; preset ${flags.preset}, ${flags.threads} threads; load ${load()}; of ${sample.length} rows ` +
      `of a thrown-out file ${here} were in memory`,
  );
  printResults(await decodeRounds(sides, { ids, from: warmUpTo, rounds, tokens }));
} finally {
  await rm(folder, { recursive: true, force: true });
}
process.exit(0);

function load(): string {
  return spawnSync("uptime", { encoding: "utf8" }).stdout.split("load average: ")[1]?.trim() ?? "?";
}

/** Out of the page cache: posix_fadvise(DONTNEED) on the whole file, which is clean by now. */
function evict(): void {
  const { status, stderr } = spawnSync("dd", [`if=${path}`, "iflag=nocache", "count=0"], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`cannot empty the page cache: ${stderr}`);
}

/** Into the page cache, by another process: this one's garbage would be collected inside the timing windows. */
function readWhole(): void {
  const { status, stderr } = spawnSync("dd", [`if=${path}`, "of=/dev/null", "bs=4M"], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`cannot read the table: ${stderr}`);
}
