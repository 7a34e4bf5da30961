/**
 * Claim: under 64 clients for a minute no request fails and memory stays flat.
 *
 *   node bench/serve-load.ts [preset=tiny] [threads=2] [seconds=60] [clients=64]
 *
 * `autocannon` keeps 64 connections busy with streamed completions of 16 tokens, each with a prompt of
 * its own; the server runs in this process. Printed: requests, failures by kind, latency, and the
 * resident memory after each fifth of the time. The first fifth warms up.
 */
import autocannon from "autocannon";
import { createServer, listen } from "../src/index.ts";
import { Model } from "../src/load-model.ts";
import { ortBackend } from "../src/tensor/backends/onnx/node/index.ts";
import { findPreset } from "../src/training/index.ts";
import { numberedTokenizer } from "./setup/numbered-tokenizer.ts";
import { benchRun } from "./setup/training-run.ts";

const presetName = process.argv[2] ?? "tiny";
const threads = Number(process.argv[3] ?? 2);
const seconds = Number(process.argv[4] ?? 60);
const clients = Number(process.argv[5] ?? 64);
const backend = ortBackend({ threads });
const { model: language } = await benchRun(findPreset(presetName), { backend });
const { vocabSize } = language.config;
const model = new Model("bench", {
  tokenizer: numberedTokenizer(vocabSize),
  language,
  ownsBackend: false,
});
const server = createServer(model, { parallel: 8, maxQueue: clients });
await server.ready;
const listener = await listen(server.fetch, { host: "127.0.0.1", port: 0 });

let asked = 0;
let broken = 0;
const resident: number[] = [];
const watch = setInterval(
  () => resident.push(process.memoryUsage.rss() / 2 ** 20),
  (seconds * 1000) / 5,
);
const result = await autocannon({
  url: `${listener.url}/v1/completions`,
  connections: clients,
  duration: seconds,
  timeout: 60,
  requests: [
    {
      method: "POST",
      setupRequest(request) {
        asked++;
        const prompt = Array.from({ length: 24 }, (_, i) => (asked * 31 + i * 7) % vocabSize);
        const body = { prompt, max_tokens: 16, stream: true, ignore_eos: true, seed: asked };
        return { ...request, body: JSON.stringify(body) };
      },
      onResponse(status, body) {
        if (status === 200 && !body.endsWith("data: [DONE]\n\n")) broken++;
      },
    },
  ],
});
clearInterval(watch);
const { errors, timeouts, non2xx, requests, latency } = result;
process.stdout.write(
  `${requests.total} requests of ${clients} clients in ${seconds} s: ${errors} errors, ` +
    `${timeouts} timeouts, ${non2xx} refused, ${broken} streams broken off\n` +
    `latency ms: median ${latency.p50}, 99 % ${latency.p99}, most ${latency.max}\n` +
    `resident MiB by fifths: ${resident.map((mib) => mib.toFixed(0)).join(" ")}\n`,
);
listener.destroy();
await server.close();
await backend.dispose();
