/**
 * How the cost of a look-up grows with the table: 10^5 to 10^9 rows, sparse, in a file. Claim it stands for: it
 * does not; rows are addressed, not searched.
 *
 *   node bench/table-growth.ts [--row-bytes 64] [--reads 2000] [--rounds 5] [--dir DIR]
 *
 * Inside the timing windows: one awaited `read` of 16 rows, chosen at random among 20,000 rows that were written,
 * spread over the whole table. Outside: writing them, opening. The same number of rows is written at every size, so
 * the page cache holds all of them at every size (hot; what the disk adds is `bench/tiers.ts`'s to say). The rest
 * of each file is a hole. Rounds take the sizes in turn. Prints one line a size and the ratio of the largest to the
 * smallest.
 */
import { readOptions } from "./setup/command-line.ts";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Random } from "../src/numerics/index.ts";
import { openFileRanges } from "../src/bytes/node/index.ts";
import { type RowStore, rowsInRanges } from "../src/memory/index.ts";
import { summary } from "./setup/row-traces.ts";

const flags = readOptions({
  "row-bytes": 64,
  reads: 2000,
  rounds: 5,
  dir: tmpdir(),
});
const rowBytes = flags["row-bytes"];
const written = 20_000;
const folder = await mkdtemp(join(flags.dir, "engram-growth-"));
const random = Random.fromSeed(3);

interface Size {
  readonly numRows: number;
  readonly store: RowStore;
  readonly rows: Uint32Array;
  readonly times: number[];
}

try {
  const sizes: Size[] = [];
  for (const numRows of [1e5, 1e6, 1e7, 1e8, 1e9]) {
    const path = join(folder, `${numRows}.bin`);
    const distinct = new Set<number>();
    while (distinct.size < written) distinct.add(Math.floor(random.uniform() * numRows));
    const rows = Uint32Array.from(distinct);
    const bytes = new Uint8Array(rows.length * rowBytes).fill(1);
    const file = await open(path, "wx");
    await file.truncate(numRows * rowBytes);
    for (const row of rows) await file.write(bytes, 0, rowBytes, row * rowBytes);
    await file.close();
    const store = rowsInRanges(await openFileRanges(path), { numRows, rowBytes, offset: 0 });
    await store.read(rows, bytes);
    sizes.push({ numRows, store, rows, times: [] });
  }
  const into = new Uint8Array(16 * rowBytes);
  for (let round = 0; round < flags.rounds; round++)
    for (const { store, rows, times } of sizes)
      for (let i = 0; i < flags.reads; i++) {
        const asked = Uint32Array.from(
          { length: 16 },
          () => rows[Math.floor(random.uniform() * rows.length)]!,
        );
        const start = performance.now();
        await store.read(asked, into);
        if (round > 0) times.push(1000 * (performance.now() - start));
      }
  for (const { numRows, times } of sizes) console.log(`${numRows} rows: ${summary(times)}`);
  const median = ({ times }: Size): number => times.toSorted((a, b) => a - b)[times.length >> 1]!;
  console.log(`10^9 rows over 10^5: ${(median(sizes.at(-1)!) / median(sizes[0]!)).toFixed(3)}`);
  for (const { store } of sizes) await store.close();
} finally {
  await rm(folder, { recursive: true, force: true });
}
