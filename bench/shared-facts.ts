/**
 * Claim: a fact that is taught at one of several servers with one memory answers at the others within 100 ms.
 *
 *   node bench/shared-facts.ts [facts=500] [held=2000]
 *
 * Two stores of one memory in a redis-server that is started here, with `held` facts in it. One adds facts, one by one;
 * measured is from the call until the other's readers see it, and until the first is told that it is written. Then
 * facts are forgotten, until the other sees them no more: the memory is written anew each time. Needs redis-server.
 */
import { readWords } from "./setup/command-line.ts";
import { FactStore, type FactToAdd, type LogVocabulary } from "../src/facts/index.ts";
import { FactStream } from "../src/facts/node/fact-stream.ts";
import { streamAddress } from "../src/facts/node/stream-client.ts";
import { startServer } from "../test/redis-cluster.ts";

const { facts, held } = readWords({ facts: 500, held: 2000 });
const node = await startServer();
const address = streamAddress(`redis://${node.host}:${node.port}/bench`);
const vocabulary = (): LogVocabulary => ({ fingerprint: new Uint8Array(32), numIds: 2 ** 31 });
const open = async (): Promise<FactStore> => {
  const log = new FactStream(address, { vocabulary });
  return new FactStore({ log, records: await log.read() });
};
const [a, b] = [await open(), await open()];

function factOf(n: number): FactToAdd {
  const createdAt = new Date(0).toISOString();
  const fact = {
    id: `f${n}`,
    scope: "default",
    prompt: `Number ${n} is`,
    completion: " x",
    createdAt,
  };
  return { fact, edits: [{ ids: [...Array(20).keys()].map((i) => n + i), from: 16 }] };
}

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));
async function untilSeen(count: number): Promise<void> {
  while (b.facts().length !== count) await turn();
}

await a.add(Array.from({ length: held }, (_, n) => factOf(n)));
await untilSeen(held);
const [told, seen, gone]: [number[], number[], number[]] = [[], [], []];
for (let n = 0; n < facts; n++) {
  const start = performance.now();
  const written = a.add([factOf(held + n)]).then(() => told.push(performance.now() - start));
  await untilSeen(held + n + 1);
  seen.push(performance.now() - start);
  await written;
}
for (let n = 0; n < 20; n++) {
  const start = performance.now();
  const forgotten = a.forget({ id: `f${n}` });
  await untilSeen(held + facts - n - 1);
  gone.push(performance.now() - start);
  await forgotten;
}
await a.close();
await b.close();
await node.stop();
function part(times: number[], share: number): string {
  const sorted = times.toSorted((x, y) => x - y);
  return sorted[Math.min(times.length - 1, Math.floor(share * times.length))]!.toFixed(1);
}
console.log("measure,median_ms,p99_ms");
for (const [name, times] of [
  ["written", told],
  ["seen elsewhere", seen],
  ["forgotten elsewhere", gone],
] as const)
  console.log(`${name},${part(times, 0.5)},${part(times, 0.99)}`);
