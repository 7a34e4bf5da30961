/**
 * Decoding with the table in a Redis cluster of three nodes on the loopback, behind a cache of a quarter of it, beside
 * the table in RAM; and then with a node that is killed. Claims it stands for: at least 0.90 of the tokens/s in RAM
 * after warm-up; a dead node costs answers, never wrong tokens and never the process.
 *
 *   node bench/decode-valkey.ts [--text FILE] [--tokenizer FILE] [--preset small or 30m] [--rows 400000] [--share 0.25]
 *     [--threads 2] [--rounds 12] [--tokens 100]
 *
 * Inside the timing windows: one `append` of one token of the text. Outside: starting the cluster
 * (test/redis-cluster.ts), writing the table, warming the cache with the row counts of the first part of the text. Rounds
 * read what comes after, both sides the same tokens in turn; the first round is left out; both must predict the same.
 * Then a node is killed in the middle of a round: a step that is refused is tried again, up to three times, and left
 * out if that does not help; predictions of all others must be those of the table in RAM. Nodes, client and engine
 * share this machine's cores.
 */
import { readOptions } from "./setup/command-line.ts";
import { spawnSync } from "node:child_process";
import { argmax, Decoder } from "../src/inference/index.ts";
import { cached, measured, RamStore } from "../src/memory/index.ts";
import { openValkeyStore, writeValkeyTable } from "../src/memory/stores/valkey/node/index.ts";
import { ortBackend } from "../src/tensor/backends/onnx/node/index.ts";
import { kill, redisServer, startCluster, withoutRedis } from "../test/redis-cluster.ts";
import { decodeRounds, printResults } from "./setup/decode-rounds.ts";
import { fillTable, textModel, textOptions } from "./setup/text-model.ts";

const flags = readOptions({
  ...textOptions,
  rows: 400000,
  share: 0.25,
  threads: 2,
  rounds: 12,
  tokens: 100,
});
if (redisServer === undefined) throw new Error(withoutRedis);
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
const ram = new RamStore({ numRows, rowBytes });
await fillTable(setup, (rows, content) => ram.write(rows, content));
const cluster = await startCluster();
try {
  const options = { nodes: cluster.nodes, table: "decode", retryDelay: 20, timeout: 500 };
  await writeValkeyTable({ ...options, rows: ram, format: format.name, headDim: format.headDim });
  const bytes = Math.floor(flags.share * numRows * rowBytes);
  const remote = measured(await openValkeyStore(options), { tier: "remote" });
  const cache = cached(remote, { bytes });
  const warmUpTo = ids.length - (rounds + 2) * tokens;
  await cache.warm(setup.countRows(0, warmUpTo));
  const inRam = setup.withTable(ram);
  const inCluster = setup.withTable(cache);
  console.log(
    `${numRows} rows of ${rowBytes} bytes, cache ${(bytes / 2 ** 20).toFixed(1)} MiB, warmed with ${warmUpTo} ` +
      `tokens of ${flags.text}; preset ${flags.preset}, ${flags.threads} threads; load ` +
      `${spawnSync("uptime", { encoding: "utf8" }).stdout.split("load average: ")[1]?.trim() ?? "?"}`,
  );
  const sides = [
    { name: "RAM", model: inRam },
    { name: "cache over the cluster", model: inCluster },
  ];
  printResults(await decodeRounds(sides, { ids, from: warmUpTo, rounds, tokens }));
  const { readTime, reads } = remote.stats;
  console.log(
    `  ${reads} reads of the cluster, p50 ${readTime.p50.toFixed(2)} ms, p99 ${readTime.p99.toFixed(2)} ms`,
  );

  const [here, there] = [inRam, inCluster].map((model) => new Decoder(model).createSession());
  const start = warmUpTo + (rounds + 1) * tokens;
  const count = { right: 0, triedAgain: 0, refused: 0 };
  for (let i = 0; i < tokens; i++) {
    const id = [ids[start + i]!];
    if (i === Math.floor(tokens / 2)) await kill(cluster.nodes[1]!.process);
    let found: Float32Array | undefined;
    for (let tries = 0; tries < 4 && found === undefined; tries++) {
      if (tries > 0) count.triedAgain++;
      found = (await there!.append(id).catch(() => undefined))?.logits;
    }
    if (found === undefined) count.refused++;
    else if (argmax(found) !== argmax((await here!.append(id)).logits))
      throw new Error(`a wrong token at ${i}`);
    else count.right++;
  }
  console.log(
    `a node killed after ${Math.floor(tokens / 2)} of ${tokens} tokens: ${count.right} right, 0 wrong, ` +
      `${count.refused} refused, ${count.triedAgain} tried again`,
  );
  await cache.close();
} finally {
  await cluster.stop();
}
process.exit(0);
