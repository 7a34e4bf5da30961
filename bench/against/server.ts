/**
 * Claim: the server stands beside llama.cpp's on the same file of weights: one client, eight clients, resident memory.
 *
 *   ENGRAM_PYTHON=python3 node bench/against/server.ts MODEL.gguf [--threads 1] [--rounds 5] [--tokens 64] [--clients 1,8]
 *     [--context 512]
 *
 * Inside the window: `clients` requests to /v1/completions at a time, each with a prompt of some ten words of its own and
 * an answer of at most `tokens` greedy ones, from the first byte sent to the last answer read. Both servers are processes of their own and
 * take turns, ours first in every other round. Tokens are those of the answers' `usage`. A ratio above 1 is ours: tokens a second by
 * the clock, and by the server's own processor time (Linux), which other work disturbs least; of memory, below 1 is
 * ours. Theirs is `llama-server` where LLAMA_SERVER names one, otherwise the same server as the wheel xllamacpp
 * carries it (pip install xllamacpp); both with a slot for each client. The Python around the wheel's counts in its memory.
 */
import { needed, readWords } from "../setup/command-line.ts";
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { quantile } from "../setup/decode-rounds.ts";

const given = readWords(
  { model: needed },
  { threads: 1, rounds: 5, tokens: 64, clients: "1,8", context: 512 },
);
const { model } = given;
const clients = given.clients.split(",").map(Number);
const most = Math.max(...clients);
const main = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
const llamaServer = process.env["LLAMA_SERVER"];
const python = process.env["ENGRAM_PYTHON"] ?? "python3";

interface Server {
  readonly url: string;
  readonly child: ChildProcess;
}

const ports = await Promise.all([freePort(), freePort()]);
const { threads, context } = given;
const words = (line: string): string[] => line.split(" ");
const common = (port: number): string => `--port ${port} --threads ${threads} --parallel ${most}`;
const ours = serverOf(
  process.execPath,
  [main, "serve", model].concat(words(`--ctx-size ${context} ${common(ports[0]!)}`)),
  ports[0]!,
);
const theirs =
  llamaServer === undefined
    ? serverOf(
        python,
        [fileURLToPath(new URL("run_llama_server.py", import.meta.url)), model].concat(
          words(`${ports[1]!} ${threads} ${most} ${context}`),
        ),
        ports[1]!,
      )
    : serverOf(
        llamaServer,
        ["--model", model].concat(words(`--ctx-size ${most * context} ${common(ports[1]!)}`)),
        ports[1]!,
      );

interface Turn {
  readonly tokens: number;
  readonly seconds: number;
  readonly cpu: number;
}

/** [round][side] by the number of clients. */
const turns = new Map<number, Record<"ours" | "theirs", Turn[]>>();
try {
  await Promise.all([ready(ours), ready(theirs)]);
  for (const count of clients) {
    const all: Record<"ours" | "theirs", Turn[]> = { ours: [], theirs: [] };
    turns.set(count, all);
    for (let round = -1; round < given.rounds; round++)
      for (const side of round % 2 === 0
        ? (["ours", "theirs"] as const)
        : (["theirs", "ours"] as const)) {
        const turn = await ask(side === "ours" ? ours : theirs, { count, round });
        if (round >= 0) all[side].push(turn);
      }
  }
  for (const [count, all] of turns) {
    const rate = (side: "ours" | "theirs", of: "seconds" | "cpu"): number =>
      quantile(
        all[side].map((turn) => turn.tokens / turn[of]),
        0.5,
      );
    const line = (side: "ours" | "theirs"): string =>
      `${side} ${rate(side, "seconds").toFixed(1)} tokens/s, ${rate(side, "cpu").toFixed(1)} a second of processor time`;
    console.log(
      `${count} clients: ${line("ours")}; ${line("theirs")}; ours over theirs ` +
        `${(rate("ours", "seconds") / rate("theirs", "seconds")).toFixed(3)} by the clock, ` +
        `${(rate("ours", "cpu") / rate("theirs", "cpu")).toFixed(3)} by processor time`,
    );
  }
  const [mine, other] = [ours, theirs].map(({ child }) => status(child, "VmRSS") / 1024);
  console.log(
    `resident ${mine!.toFixed(0)} MiB, theirs ${other!.toFixed(0)} MiB (${llamaServer ?? "xllamacpp"}): ${(mine! / other!).toFixed(2)}; ` +
      `of that not of files ${(status(ours.child, "RssAnon") / 1024).toFixed(0)} and ${(status(theirs.child, "RssAnon") / 1024).toFixed(0)} MiB`,
  );
} finally {
  ours.child.kill();
  theirs.child.kill();
}

function serverOf(command: string, args: readonly string[], port: number): Server {
  const child = spawn(command, args, { stdio: ["ignore", "ignore", "inherit"] });
  return { url: `http://127.0.0.1:${port}`, child };
}

async function ready({ url, child }: Server): Promise<void> {
  for (;;) {
    if (child.exitCode !== null) throw new Error(`a server ended with ${child.exitCode}`);
    const answer = await fetch(`${url}/v1/models`).catch(() => undefined);
    if (answer?.ok === true) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

async function ask(
  { url, child }: Server,
  { count, round }: { count: number; round: number },
): Promise<Turn> {
  const before = processorSeconds(child);
  const start = performance.now();
  const counts = await Promise.all(
    Array.from({ length: count }, async (_, i) => {
      const response = await fetch(`${url}/v1/completions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({
          prompt: `Story ${round} of ${i}: once upon a time there was a fox who`,
          max_tokens: given.tokens,
          temperature: 0,
        }),
      });
      const answer = (await response.json()) as { usage: { completion_tokens: number } };
      return answer.usage.completion_tokens;
    }),
  );
  const seconds = (performance.now() - start) / 1000;
  const tokens = counts.reduce((sum, n) => sum + n, 0);
  return { tokens, seconds, cpu: processorSeconds(child) - before };
}

/** Of the process and its threads: fields 14 and 15 of /proc/PID/stat, in hundredths. */
function processorSeconds({ pid }: ChildProcess): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** In KiB. */
function status({ pid }: ChildProcess, name: string): number {
  const text = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(new RegExp(`${name}:\\s+(\\d+)`).exec(text)![1]);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
