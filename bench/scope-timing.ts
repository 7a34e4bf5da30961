/**
 * Claim: how long a tenant waits for the first token does not tell whether another tenant was taught something about the
 * same words.
 *
 *   node bench/scope-timing.ts [MODEL=assets/shakespeare] [rounds=40] [asked=8]
 *
 * One server, two keys with a scope each. In turns A knows and does not know a fact of the prompt that B sends; B asks
 * `asked` times in each state, streamed, and what is measured is from its request to its first token. A control are the
 * same turns in which A is taught something about other words. Medians, and their difference in each of the two; the
 * standard error of the difference is the median absolute deviation of the rounds' differences, by the root of their number.
 */
import { readWords } from "./setup/command-line.ts";
import { fileURLToPath } from "node:url";
import { loadModel } from "../src/index.ts";
import { createServer, parseApiKeys } from "../src/server/index.ts";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { median } from "./setup/training-run.ts";

const shipped = fileURLToPath(new URL("../assets/shakespeare", import.meta.url));
const { path, rounds, asked } = readWords({ path: shipped, rounds: 40, asked: 8 });
const folder = await mkdtemp(join(tmpdir(), "engram-bench-scopes-"));
process.on("exit", () => void rm(folder, { recursive: true, force: true }));
await using model = await loadModel(path, { memoryDir: folder });
const keys = { a: "key-of-tenant-a-01", b: "key-of-tenant-b-01" };
const file = {
  keys: [
    { name: "a", key: keys.a, scopes: { acme: "write" } },
    { name: "b", key: keys.b, scopes: { bolt: "write" } },
  ],
};
const server = createServer(model, { apiKeys: await parseApiKeys(JSON.stringify(file), "keys") });
await server.ready;

const ask = (key: string, address: string, init: RequestInit): Promise<Response> =>
  server.fetch(
    new Request(`http://bench${address}`, { ...init, headers: { authorization: `Bearer ${key}` } }),
  );
const teach = async (prompt: string): Promise<void> => {
  const body = JSON.stringify({ id: "f", prompt, completion: "under the old stone" });
  const { status } = await ask(keys.a, "/engram/facts", { method: "POST", body });
  if (status !== 200) throw new Error(`teaching answered ${status}`);
};
const forget = async (): Promise<void> => {
  await ask(keys.a, "/engram/facts?id=f", { method: "DELETE" });
};

async function firstToken(prompt: string): Promise<number> {
  const body = JSON.stringify({ prompt, max_tokens: 1, temperature: 0, stream: true });
  const start = performance.now();
  const response = await ask(keys.b, "/v1/completions", { method: "POST", body });
  const reader = response.body!.getReader();
  await reader.read();
  const time = performance.now() - start;
  for (;;) if ((await reader.read()).done) return time;
}

const same = "The key to the garden of Doctor Wren lies";
const other = "The shoes of the old queen of Illyria are";
await firstToken(same);
console.log("a_is_taught_about,untaught_ms,taught_ms,difference_ms,standard_error_ms");
for (const [name, taught] of [
  ["the same words", same],
  ["other words", other],
] as const) {
  const times: [number[], number[]] = [[], []];
  const differences: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const of: [number[], number[]] = [[], []];
    for (const state of round % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
      if (state === 1) await teach(taught);
      else await forget();
      for (let n = 0; n < asked; n++) of[state].push(await firstToken(same));
    }
    differences.push(median(of[1]) - median(of[0]));
    times[0].push(...of[0]);
    times[1].push(...of[1]);
  }
  const middle = median(differences);
  const deviation = median(differences.map((one) => Math.abs(one - middle)));
  const error = (1.4826 * 1.2533 * deviation) / Math.sqrt(differences.length);
  console.log(
    [
      name,
      ...[median(times[0]), median(times[1]), middle, error].map((x) => x.toFixed?.(2) ?? x),
    ].join(","),
  );
}
await server.close();
