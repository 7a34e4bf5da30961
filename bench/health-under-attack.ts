/**
 * Asks: how long do others wait for `/health`, whatever one client sends? The aim is 50 ms on an idle machine. On a busy
 * one the worst is what the machine's other work lets it be; "held" is then the figure to read: the most processor time
 * that one turn of the server's event loop took, which nobody else can be served in.
 *
 *   node bench/health-under-attack.ts [seconds=3] [attack, by a part of its name]
 *
 * `engram serve` is a process of its own, with the model that comes along and a chat template that never ends. One
 * request of `test/hostile/slow-requests.ts` at a time; as soon as it is on its way, and until it is answered and
 * `seconds` are over, `/health` is asked on another connection, every 5 ms. Inside the window: from that request to its
 * whole answer. The first line is the idle server. An attack that is over early is sent again.
 */
import { readWords } from "./setup/command-line.ts";
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { endlessTemplate, slowRequests } from "../test/hostile/slow-requests.ts";
import { serveModel } from "./setup/serve-process.ts";
import { median } from "./setup/training-run.ts";

const { seconds, part } = readWords({ seconds: 3, part: "" });
const shipped = fileURLToPath(new URL("../assets/shakespeare", import.meta.url));
const directory = await mkdtemp(join(tmpdir(), "engram-bench-"));
await cp(shipped, directory, { recursive: true });
await writeFile(join(directory, "chat_template.jinja"), endlessTemplate);
const reportTurns = new URL("setup/report-turns.ts", import.meta.url).href;
const server = await serveModel(directory, ["--threads", "1"], {
  nodeOptions: ["--import", reportTurns],
});

/** Milliseconds of each `/health` until `isOver`. */
async function askHealth(isOver: () => boolean): Promise<number[]> {
  const times: number[] = [];
  while (!isOver()) {
    const start = performance.now();
    await (await fetch(`${server.url}/health`)).text();
    times.push(performance.now() - start);
    await wait(5);
  }
  return times;
}

let told = 0;
function print(what: string, times: number[], rest: string): void {
  const worst = Math.max(...times).toFixed(1);
  const turns = server
    .stderr()
    .slice(told)
    .matchAll(/^turn of ([\d.]+) ms$/gm);
  const held = Math.max(0, ...Array.from(turns, ([, ms]) => Number(ms))).toFixed(0);
  told = server.stderr().length;
  process.stdout.write(
    `${what.padEnd(48)} ${median(times).toFixed(1).padStart(7)} ms  worst ${worst.padStart(8)} ms  held ${held.padStart(3)} ms  ${rest}\n`,
  );
}

const begin = performance.now();
const isLate = (start: number): boolean => performance.now() - start > 1000 * seconds;
await askHealth(() => isLate(begin));
told = server.stderr().length;
const idle = performance.now();
print("idle", await askHealth(() => isLate(idle)), "");
for (const [what, { path, body }] of Object.entries(slowRequests)) {
  if (!what.includes(part)) continue;
  const text = body();
  const start = performance.now();
  let numRunning = 0;
  let times = 0;
  let status = 0;
  let took = 0;
  const attack = async (): Promise<void> => {
    numRunning++;
    do {
      const sent = performance.now();
      const answer = await fetch(`${server.url}${path}`, { method: "POST", body: text });
      await answer.arrayBuffer();
      status = answer.status;
      took = performance.now() - sent;
      times++;
    } while (!isLate(start));
    numRunning--;
  };
  const running = attack();
  const latencies = await askHealth(() => numRunning === 0);
  await running;
  print(what, latencies, `${status} after ${took.toFixed(0)} ms, ${times} times`);
}
await server.stop();
await rm(directory, { recursive: true });
