/**
 * Claims: a server costs at most 10 % over calling the library with one client; eight clients get at
 * least 2.5 times the tokens/s of one. The bar is for `small`, the size that somebody serves.
 *
 *   node bench/serve.ts [preset or model directory=small] [threads=2] [rounds=9] [tokens=64]
 *
 * Three processes: `engram serve`, one that calls the library (`setup/library-process.ts`), and this
 * one, which has the clients. Inside the window: a streamed completion over a loopback socket, from the
 * request to its last byte; for the library from the call to the last piece of text, by that process's
 * own clock. The three sides - library, one client, eight clients at once - take turns, the first round
 * not counted; ratios are of medians. Prompts are of 32 tokens and differ from request to request, so
 * that the prefix cache gives nothing to the server that the library lacks. The texts of library and
 * server are compared.
 */
import { readWords } from "./setup/command-line.ts";
import { findBenchPreset } from "./setup/bench-presets.ts";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { LibraryAnswer, LibraryRequest } from "./setup/library-process.ts";
import { serveModel } from "./setup/serve-process.ts";
import { median } from "./setup/training-run.ts";
import { untrainedModel } from "./setup/untrained-model.ts";

const given = readWords({ model: "small", threads: 2, rounds: 9, maxTokens: 64 });
const { model: modelName, threads, rounds, maxTokens } = given;
const isDirectory = existsSync(modelName);
const directory = isDirectory ? modelName : await untrainedModel(findBenchPreset(modelName));
const server = await serveModel(directory, ["--threads", `${threads}`, "--parallel", "8"]);
const program = fileURLToPath(new URL("setup/library-process.ts", import.meta.url));
const library = spawn(process.execPath, [program, directory, `${threads}`], {
  stdio: ["ignore", "inherit", "inherit", "ipc"],
});
await once(library, "message");
const { config } = (await (await fetch(`${server.url}/props`)).json()) as {
  config: { vocabSize: number };
};

let asked = 0;
/** 32 tokens that no prompt before had. */
function nextPrompt(): number[] {
  asked++;
  return Array.from(
    { length: 32 },
    (_, i) => 1 + ((asked * 7919 + i * 31) % (config.vocabSize - 1)),
  );
}

async function callLibrary(promptIds: readonly number[]): Promise<LibraryAnswer> {
  library.send({ promptIds, maxTokens } satisfies LibraryRequest);
  const [answer] = (await once(library, "message")) as [LibraryAnswer];
  return answer;
}

/** Resolves to the text of a streamed completion. */
async function request(prompt: readonly number[]): Promise<string> {
  const response = await fetch(`${server.url}/v1/completions`, {
    method: "POST",
    body: JSON.stringify({
      prompt,
      max_tokens: maxTokens,
      temperature: 0,
      stream: true,
      ignore_eos: true,
    }),
  });
  const body = await response.text();
  if (!body.endsWith("data: [DONE]\n\n"))
    throw new Error(`a stream broke off: ${body.slice(-200)}`);
  const events = body.split("\n\n").slice(0, -2);
  return events.map((event) => JSON.parse(event.slice(6)).choices[0].text as string).join("");
}

/** Tokens a second of `texts` requests at once. */
async function clients(texts: number): Promise<number> {
  const prompts = Array.from({ length: texts }, nextPrompt);
  const start = performance.now();
  await Promise.all(prompts.map(request));
  return (texts * maxTokens * 1000) / (performance.now() - start);
}

const sides = [
  {
    name: "library",
    rates: [] as number[],
    run: async () => (maxTokens * 1000) / (await callLibrary(nextPrompt())).ms,
  },
  { name: "one client", rates: [] as number[], run: () => clients(1) },
  { name: "eight clients", rates: [] as number[], run: () => clients(8) },
];
for (let round = 0; round <= rounds; round++)
  for (const side of round % 2 === 0 ? sides : sides.toReversed()) {
    const rate = await side.run();
    if (round > 0) side.rates.push(rate);
  }
let same = 0;
const compared = 4;
for (let i = 0; i < compared; i++) {
  const prompt = nextPrompt();
  if ((await callLibrary(prompt)).text === (await request(prompt))) same++;
}
for (const { name, rates } of sides) {
  const [low, high] = [Math.min(...rates), Math.max(...rates)];
  process.stdout.write(
    `${name.padEnd(14)} ${median(rates).toFixed(0)} tokens/s (${low.toFixed(0)}-${high.toFixed(0)})\n`,
  );
}
const [alone, one, many] = sides.map(({ rates }) => median(rates)) as [number, number, number];
const microseconds = 1e6 / one - 1e6 / alone;
process.stdout.write(
  `${modelName}, ${threads} threads: library over one client ${(alone / one).toFixed(3)} (claim: at most ` +
    `1.10), ${microseconds.toFixed(0)} us a token; eight clients over one ${(many / one).toFixed(2)} ` +
    `(claim: at least 2.5); ${same} of ${compared} texts the same\n`,
);
library.disconnect();
await server.stop();
if (!isDirectory) await rm(directory, { recursive: true });
