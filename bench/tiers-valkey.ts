/**
 * Rows from a Redis cluster of three nodes on the loopback, beside RAM and beside a cache over the cluster; and what
 * readers see when a node is killed. Claims it stands for: no wrong row, ever; what a remote row costs.
 *
 *   node bench/tiers-valkey.ts [--rows 200000] [--row-bytes 264] [--batch 48] [--reads 2000] [--rounds 5]
 *
 * Inside the timing windows: one awaited `read` of `batch` rows (48 are the rows of one token of V4.1-Flash in both
 * layers), rows by Zipf's law. Outside: starting the cluster (test/redis-cluster.ts), writing the table. Rounds take
 * the stores in turn; the first is left out. Then one node is killed in the middle of 200 reads: right, refused and
 * wrong answers are counted; a wrong one ends the program with an error. Nodes, client and network share this
 * machine's cores.
 */
import { readOptions } from "./setup/command-line.ts";
import { Random } from "../src/numerics/index.ts";
import { cached, RamStore, type RowStore } from "../src/memory/index.ts";
import { openValkeyStore, writeValkeyTable } from "../src/memory/stores/valkey/node/index.ts";
import { formatOf } from "../test/conformance/table-fixture.ts";
import { kill, redisServer, startCluster, withoutRedis } from "../test/redis-cluster.ts";
import { summary } from "./setup/row-traces.ts";

const flags = readOptions({
  rows: 200000,
  "row-bytes": 264,
  batch: 48,
  reads: 2000,
  rounds: 5,
});
const numRows = flags.rows;
const rowBytes = flags["row-bytes"];
const batch = flags.batch;
if (redisServer === undefined) throw new Error(withoutRedis);

const random = Random.fromSeed(5);
const ram = new RamStore({ numRows, rowBytes });
for (const segment of ram.segments)
  for (let i = 0; i < segment.length; i++) segment[i] = Math.imul(i, 2654435761) >>> 24;
const cluster = await startCluster();
try {
  const options = { nodes: cluster.nodes, table: "bench", retryDelay: 50 };
  await writeValkeyTable({ ...options, ...formatOf(rowBytes), rows: ram });
  const remote = await openValkeyStore(options);
  const inner = await openValkeyStore(options);
  const cache = cached(inner, { bytes: (numRows * rowBytes) / 4, policy: "frequency" });
  const stores: { name: string; store: RowStore; times: number[] }[] = [
    { name: "ram", store: ram, times: [] },
    { name: "cluster", store: remote, times: [] },
    { name: "cache of a quarter over the cluster", store: cache, times: [] },
  ];
  const into = new Uint8Array(batch * rowBytes);
  for (let round = 0; round < flags.rounds; round++)
    for (const { store, times } of stores)
      for (let i = 0; i < flags.reads; i++) {
        const rows = drawRows();
        const start = performance.now();
        await store.read(rows, into);
        if (round > 0) times.push(1000 * (performance.now() - start));
      }
  for (const { name, times } of stores) console.log(`${name}: ${batch} rows, ${summary(times)}`);
  const { hits, misses } = cache.stats;
  console.log(`hit rate of the cache ${((100 * hits) / (hits + misses)).toFixed(2)} %`);

  const count = { right: 0, refused: 0 };
  const under = Array.from({ length: 100 }, () => readAndCompare(remote, count));
  await kill(cluster.nodes[1]!.process);
  under.push(...Array.from({ length: 100 }, () => readAndCompare(remote, count)));
  await Promise.all(under);
  console.log(
    `a node killed during 200 reads: ${count.right} right, ${count.refused} refused, 0 wrong`,
  );
  await remote.close();
  await cache.close();
} finally {
  await cluster.stop();
}

/** Ranks by Zipf's law, strewn over the table. */
function drawRows(): Uint32Array {
  return Uint32Array.from(
    { length: batch },
    () => Math.imul(Math.floor(numRows ** random.uniform()), 2654435761) >>> 0,
  ).map((row) => row % numRows);
}

async function readAndCompare(
  store: RowStore,
  count: { right: number; refused: number },
): Promise<void> {
  const rows = drawRows();
  const expected = new Uint8Array(batch * rowBytes);
  const found = new Uint8Array(batch * rowBytes);
  ram.readSync(rows, expected);
  try {
    await store.read(rows, found);
  } catch {
    count.refused++;
    return;
  }
  if (Buffer.compare(expected, found) !== 0) throw new Error(`wrong rows among ${rows.join()}`);
  count.right++;
}
