/**
 * Claim: under 64 clients for a minute no request fails, no stream is lost or mixed up and memory stays
 * flat; with slow, broken and hostile clients among them the others do not notice.
 *
 *   node bench/serve-load.ts [preset or model directory=tiny] [threads=2] [seconds=60] [clients=64] [bad=1]
 *
 * `autocannon` keeps the connections busy with streamed completions of 16 tokens, of 50 prompts in turn at
 * temperature 0; the server is a process of its own. `bad` clients of each kind in
 * `test/hostile/bad-clients.ts` come and go beside them; 0 leaves them out. Printed: requests, failures by
 * kind, texts that are not what the same prompt gave alone (near-ties may fall the other way in a batch),
 * latency, and the server's resident memory after each fifth of the time, of which the first warms up.
 */
import { readWords } from "./setup/command-line.ts";
import { findBenchPreset } from "./setup/bench-presets.ts";
import autocannon from "autocannon";
import { existsSync, readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { startBadClients } from "../test/hostile/bad-clients.ts";
import { serveModel } from "./setup/serve-process.ts";
import { untrainedModel } from "./setup/untrained-model.ts";

const given = readWords({ model: "tiny", threads: 2, seconds: 60, clients: 64, each: 1 });
const { model: modelName, threads, seconds, clients, each } = given;
const isDirectory = existsSync(modelName);
const directory = isDirectory ? modelName : await untrainedModel(findBenchPreset(modelName));
const server = await serveModel(directory, ["--threads", `${threads}`, "--parallel", "8"]);

const prompts = Array.from({ length: 50 }, (_, p) =>
  Array.from({ length: 24 }, (__, i) => 1 + ((p * 31 + i * 7) % 250)),
);
const bodyOf = (p: number): string =>
  JSON.stringify({
    prompt: prompts[p],
    max_tokens: 16,
    temperature: 0,
    stream: true,
    user: `${p}`,
  });

/** The text of a stream, or undefined if it broke off. */
function textOf(body: string): string | undefined {
  if (!body.endsWith("data: [DONE]\n\n")) return undefined;
  const events = body.split("\n\n").slice(0, -2);
  return events.map((event) => JSON.parse(event.slice(6)).choices?.[0].text as string).join("");
}

const alone: (string | undefined)[] = [];
for (const [p] of prompts.entries()) {
  const url = `${server.url}/v1/completions`;
  const response = await fetch(url, { method: "POST", body: bodyOf(p) });
  alone.push(textOf(await response.text()));
}

/** MiB, where the system tells (Linux). */
function residentMemory(): number {
  const status = readFileSync(`/proc/${server.pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
}

let asked = 0;
let broken = 0;
let different = 0;
const resident: number[] = [];
const watch = setInterval(() => resident.push(residentMemory()), (seconds * 1000) / 5);
const bad = startBadClients(Number(new URL(server.url).port), { each });
const result = await autocannon({
  url: `${server.url}/v1/completions`,
  connections: clients,
  duration: seconds,
  timeout: 60,
  requests: [
    {
      method: "POST",
      setupRequest(request, context) {
        asked++;
        context.prompt = asked % prompts.length;
        return { ...request, body: bodyOf(context.prompt) };
      },
      onResponse(status, body, { prompt }) {
        if (status !== 200) return;
        const text = textOf(body);
        if (text === undefined) broken++;
        else if (text !== alone[prompt!]) different++;
      },
    },
  ],
});
clearInterval(watch);
const visits = await bad.stop();
const { errors, timeouts, non2xx, requests, latency } = result;
const list = Object.entries(visits).map(([kind, count]) => `${kind} ${count}`);
process.stdout.write(
  `${modelName}, ${threads} threads: ${requests.total} requests of ${clients} clients in ${seconds} s: ` +
    `${errors} errors, ${timeouts} timeouts, ${non2xx} refused, ${broken} streams broken off, ` +
    `${different} texts other than alone\n` +
    `latency ms: median ${latency.p50}, 99 % ${latency.p99}, most ${latency.max}\n` +
    `resident MiB by fifths: ${resident.map((mib) => mib.toFixed(0)).join(" ")}\n` +
    `bad clients' visits: ${list.join(", ")}\n` +
    `the server's own words: ${server.stderr().trim() || "none"}\n`,
);
await server.stop();
if (!isDirectory) await rm(directory, { recursive: true });
