/**
 * Claim: no step takes longer than 1.02 times what it took at an earlier commit.
 *
 *   git worktree add ../before COMMIT && ln -s "$PWD/node_modules" ../before/
 *   taskset -c 1 node bench/against/before.ts ../before [--model assets/shakespeare] [--dtype f32, q8, q4=f32]
 *     [--memory on, off=on] [--context 64] [--threads 1] [--rounds 41] [--tokens 8] [--prefill]
 *
 * Two processes open one model and take turns of `tokens` steps after a prompt of `context` ids (with --prefill the prompt
 * itself); who begins changes with each round, so both meet the same load of the machine. A ratio is our time over theirs:
 * below 1 is faster now. Of the clock and of processor time, the median of the rounds' ratios and its quartiles.
 */
import "../setup/command-line.ts";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { quantile } from "../setup/decode-rounds.ts";

const root = join(import.meta.dirname, "../..");
const { values: given, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    model: { type: "string", default: join(root, "assets/shakespeare") },
    dtype: { type: "string", default: "f32" },
    memory: { type: "string", default: "on" },
    context: { type: "string", default: "64" },
    threads: { type: "string", default: "1" },
    rounds: { type: "string", default: "41" },
    tokens: { type: "string", default: "8" },
    prefill: { type: "boolean", default: false },
  },
});
const [before] = positionals;
if (before === undefined)
  throw new Error("expected the checkout to compare with; --help says more");
const [context, rounds, tokens] = [given.context, given.rounds, given.tokens].map(Number) as [
  number,
  number,
  number,
];

interface Turn {
  readonly seconds: number;
  readonly cpu: number;
  readonly ids: readonly number[];
}

function side(checkout: string): (request: object) => Promise<Turn> {
  const capacity = `${context + tokens + 1}`;
  const program = join(import.meta.dirname, "run-checkout.ts");
  const { model, dtype, memory, threads } = given;
  const child = spawn(
    process.execPath,
    [program, checkout, model, dtype, memory, threads, capacity],
    { stdio: ["pipe", "pipe", "inherit"] },
  );
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return async (request) => {
    child.stdin.write(`${JSON.stringify(request)}\n`);
    const answer = await answers.next();
    if (answer.done === true) throw new Error(`${checkout} ended without an answer`);
    return JSON.parse(answer.value) as Turn;
  };
}

const sides = [side(root), side(before)] as const;
const prompt = { prompt: context };
for (const ask of sides) await ask(prompt);
const request = given.prefill ? prompt : { from: context, tokens, id: 1 };
const turns: [Turn, Turn][] = [];
for (let round = -2; round < rounds; round++) {
  const first = round & 1;
  const one = await sides[first]!(request);
  const other = await sides[1 - first]!(request);
  if (round >= 0) turns.push(first === 0 ? [one, other] : [other, one]);
}

const ratios = (of: "seconds" | "cpu"): string => {
  const all = turns.map(([now, then]) => now[of] / then[of]);
  const [low, middle, high] = [0.25, 0.5, 0.75].map((share) => quantile(all, share).toFixed(3));
  return `${middle} (${low} to ${high})`;
};
const best = (of: "seconds" | "cpu"): string => {
  const [now, then] = [0, 1].map((i) =>
    quantile(
      turns.map((pair) => pair[i]![of]),
      0.1,
    ),
  );
  return (now! / then!).toFixed(3);
};
const alike = turns[0]![0].ids.filter((id, i) => id === turns[0]![1].ids[i]).length;
console.log(
  `${given.model.split("/").at(-1)} ${given.dtype}, memory ${given.memory}, ` +
    `${given.prefill ? "prompt" : "decode"} at ${context}, ${given.threads} threads, ${rounds} rounds; ` +
    `ids alike ${alike} of ${turns[0]![0].ids.length}\n` +
    `  clock ${ratios("seconds")}, of 10th percentiles ${best("seconds")}; ` +
    `processor ${ratios("cpu")}, of 10th percentiles ${best("cpu")}`,
);
process.exit(0);
