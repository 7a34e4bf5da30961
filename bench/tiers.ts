/**
 * One token's rows from each tier: RAM, a flat file, a table file, and caches of a quarter of the table over the
 * file, by admission policy, warmed and not. Claims it stands for: which policy wins; what a miss costs.
 *
 *   node bench/tiers.ts [--mib 1024] [--text FILE] [--share 0.25] [--tokens 4000] [--rounds 5] [--dir DIR]
 *
 * Inside the timing windows: one awaited `read` of the 16 rows of one token, tokens in the order of the text, one
 * at a time, as decoding asks for them. Outside: making the table (random bytes, on disk in full, not sparse),
 * warming (with the row counts of the first half of the text; all rounds read from the second half), and throwing
 * the file out of the page cache (`dd iflag=nocache`), which is done before every round of every tier that says
 * "cold"; how much of the file was in RAM is printed where `fincore` is installed. "hot" tiers read the whole file
 * once before the first round. Rounds take the tiers in turn; caches live through all rounds, round 1 is printed
 * by itself because a cache that was not warmed is still filling. Page cache beside our own cache is not capped
 * within a round: for that run it under `systemd-run --scope -p MemoryMax=...`.
 */
import { readOptions } from "./setup/command-line.ts";
import { spawnSync } from "node:child_process";
import { createReadStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openFileRanges } from "../src/bytes/node/index.ts";
import {
  cached,
  CachedStore,
  RamStore,
  rowFormat,
  type RowStore,
  rowsInRanges,
} from "../src/memory/index.ts";
import { openTableFile, writeTableFile } from "../src/memory/stores/ranges/node/index.ts";
import { countRows, rowsOfToken, summary, traceOfText } from "./setup/row-traces.ts";

const sample = fileURLToPath(new URL("../assets/tinyshakespeare.txt", import.meta.url));
const flags = readOptions({
  mib: 1024,
  text: sample,
  share: 0.25,
  tokens: 4000,
  rounds: 5,
  dir: tmpdir(),
});
const format = rowFormat("bf16", 32);
const { rowBytes } = format;
const tokens = flags.tokens;
const rounds = flags.rounds;
const trace = traceOfText(flags.text, {
  bucketRows: Math.floor((flags.mib * 2 ** 20) / rowBytes / 16),
});
const { numRows, columns } = trace;
const half = Math.floor(trace.numTokens / 2);
const folder = await mkdtemp(join(flags.dir, "engram-tiers-"));
const path = join(folder, "table.tbl");

/** Random bytes, so that nothing below can compress or leave them out. */
function* randomRows(): Generator<Uint8Array> {
  const chunk = new Uint8Array(rowBytes * 1024);
  for (let first = 0; first < numRows; first += 1024) {
    crypto.getRandomValues(chunk);
    yield chunk.subarray(0, Math.min(1024, numRows - first) * rowBytes);
  }
}

try {
  const { rowsAt } = await writeTableFile(path, {
    format: "bf16",
    headDim: 32,
    numRows,
    rows: randomRows(),
  });
  const flat = async (): Promise<RowStore> =>
    rowsInRanges(await openFileRanges(path), { rowBytes, numRows, offset: rowsAt });
  const ram = new RamStore({ numRows, rowBytes });
  await fill(ram);
  const bytes = flags.share * numRows * rowBytes;
  const hot = countRows(trace, { from: 0, to: half });
  const tiers: { name: string; store: RowStore; isCold: boolean }[] = [
    { name: "ram", store: ram, isCold: false },
    { name: "file, hot", store: await flat(), isCold: false },
    { name: "file, cold", store: await flat(), isCold: true },
    { name: "table file, cold, blocks checked", store: await openTableFile(path), isCold: true },
  ];
  for (const policy of ["lru", "frequency", "none"] as const)
    for (const isWarm of [false, true]) {
      const store = cached(await flat(), { bytes, policy });
      if (isWarm) await store.warm(hot);
      const name = `${policy} cache over cold file, ${isWarm ? "warmed" : "empty at first"}`;
      tiers.push({ name, store, isCold: true });
    }
  console.log(
    `${numRows} rows of ${rowBytes} bytes, ${trace.numTokens} tokens of ${flags.text}, ` +
      `cache ${(bytes / 2 ** 20).toFixed(0)} MiB; machine busy or not: load ${spawnSync("uptime", { encoding: "utf8" }).stdout.split("load average: ")[1] ?? "?"}`,
  );
  const times = tiers.map(() => Array.from({ length: rounds }, (): number[] => []));
  const into = new Uint8Array(columns * rowBytes);
  for (let round = 0; round < rounds; round++)
    for (const [i, { store, isCold }] of tiers.entries()) {
      if (isCold) evict();
      else if (round === 0) await readWhole();
      if (isCold && round === 0 && i === 2) printResidency();
      for (let n = 0; n < tokens; n++) {
        const t = half + ((round * tokens + n) % (trace.numTokens - half));
        const start = performance.now();
        await store.read(rowsOfToken(trace, t), into);
        times[i]![round]!.push(1000 * (performance.now() - start));
      }
    }
  for (const [i, { name, store }] of tiers.entries()) {
    console.log(`\n${name}\n  round 1      ${summary(times[i]![0]!)}`);
    if (rounds > 1) console.log(`  rounds 2-${rounds}   ${summary(times[i]!.slice(1).flat())}`);
    if (store instanceof CachedStore) {
      const { hits, misses, evictions, rejected, residentRows, bytesRead } = store.stats;
      console.log(
        `  hit rate ${((100 * hits) / (hits + misses)).toFixed(2)} %, ${bytesRead} bytes read, ` +
          `${residentRows} rows resident, ${evictions} evicted, ${rejected} not admitted`,
      );
    }
  }
  for (const { store } of tiers) await store.close();
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function fill(store: RamStore): Promise<void> {
  for (const segment of store.segments)
    for (let at = 0; at < segment.length; at += 65536) {
      const part = new Uint8Array(Math.min(65536, segment.length - at));
      crypto.getRandomValues(part);
      segment.set(part, at);
    }
}

/** Out of the page cache: posix_fadvise(DONTNEED) on the whole file, which is clean by now. */
function evict(): void {
  const { status, stderr } = spawnSync("dd", [`if=${path}`, "iflag=nocache", "count=0"], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`cannot empty the page cache: ${stderr}`);
}

async function readWhole(): Promise<void> {
  for await (const _ of createReadStream(path, { highWaterMark: 1 << 20 }));
}

function printResidency(): void {
  const found = spawnSync("fincore", ["--bytes", "--noheadings", "--output", "RES,SIZE", path], {
    encoding: "utf8",
  });
  console.log(
    found.status === 0
      ? `in the page cache after eviction (bytes, of bytes): ${found.stdout.trim()}`
      : "fincore is not installed: what the page cache holds is not known",
  );
}
