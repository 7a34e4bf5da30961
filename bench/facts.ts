/**
 * Claims: a fact is taught in milliseconds; thousands are held, each exact in its wording; they cost decoding nothing and
 * the disk little; erased, they leave no bit.
 *
 *   node bench/facts.ts MODEL [facts=10000] [threads=1] [asked=100] [seed=1]
 *
 * Facts are made up ("The capital of Zomu Rabi is Talofe."), so that no model knows one. Taught one by one: with the
 * chance before and after, and the log on disk, in a directory that is removed; on the clock and of the processor's time.
 * The thousands are written without a model's reading, which only measures; then `asked` of them are asked, greedily, at 1,000 and at all. Decoding: one
 * session reads the same text with all facts in scope and with none, in turns; medians of the rounds' ratios, on the clock
 * and of the processor's time. Look-up: the addresses of one token with all facts in scope and with none, without the engine. Erased: a fact's and all; then the logits of a taught wording against those from before.
 */
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { needed, readWords } from "./setup/command-line.ts";
import type { FactToAdd } from "../src/facts/index.ts";
import { wordingsOf } from "../src/facts/wording.ts";
import { generateText, loadModel, ortBackend } from "../src/index.ts";
import { Random } from "../src/numerics/index.ts";
import { madeUpFact, type MadeUpFact } from "./setup/made-up-facts.ts";
import { median } from "./setup/training-run.ts";

const { path, count, threads, asked, seed } = readWords({
  path: needed,
  count: 10_000,
  threads: 1,
  asked: 100,
  seed: 1,
});
const random = Random.fromSeed(seed, "facts");
const folder = await mkdtemp(join(tmpdir(), "engram-bench-facts-"));
process.on("exit", () => void rm(folder, { recursive: true, force: true }));
await using model = await loadModel(path, {
  backend: () => ortBackend({ threads }),
  memoryDir: folder,
});
const { tokenizer } = model;

const requestOf = ({ prompt, completion }: MadeUpFact) => ({ prompt, completion });
const question = (n: number): MadeUpFact => madeUpFact(random, n);

async function logitsOf(text: string): Promise<Float32Array> {
  await using session = model.createSession();
  const ids = [...tokenizer.bounds.startIds, ...(await tokenizer.encode(text))];
  return (await session.append(ids, { logits: "all" })).logits.slice();
}

const first = question(0);
const never = await logitsOf(first.prompt + first.completion);
// Enough that each length of window has been compiled.
for (let n = 0; n < 20; n++) await model.teach([requestOf(question(n))]);
const times: number[] = [];
const cpuTimes: number[] = [];
const after: number[] = [];
for (let n = 0; n < 50; n++) {
  const [start, cpu] = [performance.now(), process.cpuUsage()];
  const [taught] = await model.teach([requestOf(n === 0 ? first : question(n))]);
  times.push(performance.now() - start);
  const { user, system } = process.cpuUsage(cpu);
  cpuTimes.push((user + system) / 1000);
  after.push(taught!.after);
}
const start = performance.now();
await model.teach(Array.from({ length: 64 }, (_, n) => requestOf(question(n))));
const together = performance.now() - start;
const sorted = times.toSorted((a, b) => a - b);
console.log(
  `a fact       ${median(times).toFixed(1)} ms, slowest of 50 ${sorted.at(-1)!.toFixed(1)} ms; processor ${median(cpuTimes).toFixed(1)} ms, most ${Math.max(...cpuTimes).toFixed(1)} ms; 64 together ${((64 * 1000) / together).toFixed(1)} a second; chance after: least ${Math.min(...after).toFixed(4)}`,
);

const { store } = model.taught!;
const made: MadeUpFact[] = [];
const prompts = new Set<string>();
async function hold(upTo: number): Promise<void> {
  const facts: FactToAdd[] = [];
  while (made.length < upTo) {
    const one = question(made.length);
    if (prompts.has(one.prompt)) continue;
    prompts.add(one.prompt);
    made.push(one);
    const edits = await wordingsOf(one, { tokenizer });
    const createdAt = new Date().toISOString();
    facts.push({
      fact: { id: `f${made.length}`, scope: "default", ...requestOf(one), createdAt },
      edits,
    });
  }
  await store.add(facts);
}

async function exact(): Promise<number> {
  let right = 0;
  for (let i = 0; i < asked; i++) {
    const { prompt, completion } = made[Math.floor((i * made.length) / asked)]!;
    let text = "";
    for await (const piece of generateText(model, prompt, { temperature: 0, maxTokens: 24 })) {
      text += piece;
      if (text.length >= completion.length) break;
    }
    if (text.startsWith(completion)) right++;
  }
  return right / asked;
}

await hold(Math.min(1000, count));
console.log(
  `held ${made.length}    exact in its wording: ${(await exact()).toFixed(3)} of ${asked}`,
);
await hold(count);
console.log(
  `held ${made.length}   exact in its wording: ${(await exact()).toFixed(3)} of ${asked}`,
);
const bytes = (await stat(join(folder, "facts.log"))).size;
console.log(`disk         ${(bytes / store.facts().length).toFixed(0)} bytes a fact`);

const asset = fileURLToPath(new URL("../assets/tinyshakespeare.txt", import.meta.url));
const text = await tokenizer.encode((await readFile(asset, "utf8")).slice(0, 60_000));
// One session under two views: of two sessions one is slower by a percent or two, by where their caches lie. The third is
// the second again: what equals differ by.
const session = model.createSession();
const views = [["default"], [], []].map((scopes) => ({
  memory: model.memoryFor({ scopes }),
  clock: [] as number[],
  processor: [] as number[],
}));
const tokens = 16;
for (let round = 0; round < 93; round++)
  for (let turn = 0; turn < views.length; turn++) {
    const { memory, clock, processor } = views[(round + turn) % views.length]!;
    const from = round * tokens;
    session.restart({ ...session.view, memory });
    await session.append(text.subarray(from, from + 32));
    const [begun, used] = [performance.now(), process.cpuUsage()];
    for (let i = 0; i < tokens; i++) await session.append([text[from + 32 + i]!]);
    const { user, system } = process.cpuUsage(used);
    if (round < 3) continue;
    clock.push((1000 * (performance.now() - begun)) / tokens);
    processor.push((user + system) / tokens);
  }
const speeds = (["clock", "processor"] as const).map((of) => {
  const [taught, none, again] = views.map((view) => view[of]);
  const speed = (other: number[]): string =>
    median(other.map((one, i) => none![i]! / one)).toFixed(3);
  return `${of} ${median(taught!).toFixed(0)} us a token over ${median(none!).toFixed(0)} (speed ${speed(taught!)}; of none over itself ${speed(again!)})`;
});
console.log(`decoding     ${speeds.join("; ")}`);
const lookUps = views.map(({ memory }) => ({ reader: memory?.reader(), us: [] as number[] }));
for (let round = 0; round < 21; round++)
  for (const { reader, us } of lookUps) {
    const used = process.cpuUsage();
    for (let at = 0; at < text.length; at++) reader?.address([{ ids: text, from: at, to: at + 1 }]);
    const { user, system } = process.cpuUsage(used);
    if (round > 0) us.push((user + system) / text.length);
  }
const [taughtLookUp, noneLookUp] = lookUps.map(({ us }) => median(us));
console.log(
  `look-up      ${taughtLookUp!.toFixed(2)} us of processor a token over ${noneLookUp!.toFixed(2)}`,
);

const one = performance.now();
await model.forget({ id: "f1" });
const all = performance.now();
await model.forget({ all: true });
const end = performance.now();
const now = await logitsOf(first.prompt + first.completion);
const differing = now.filter((x, i) => x !== never[i]).length;
console.log(
  `erased       one of ${count} in ${(all - one).toFixed(0)} ms, all in ${(end - all).toFixed(0)} ms; logits that differ from never taught: ${differing} of ${never.length}`,
);
console.log(`model=${path} facts=${count} threads=${threads} seed=${seed}`);
await session.dispose();
