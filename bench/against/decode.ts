/**
 * Claim: decoding and reading of prompts stand beside llama.cpp's on the same file of weights.
 *
 *   ENGRAM_PYTHON=python3 node bench/against/decode.ts [--model 7m, 30m, 138m or FILE.gguf=30m] [--dtype f32, q8_0, q4_0=f32]
 *     [--context 64] [--threads 1] [--rounds 15] [--tokens 8] [--prefill] [--peer python|node-llama-cpp]
 *
 * Inside the window: one step after another and the choice of the likeliest id, after a prompt of `context` ids; with
 * --prefill the prompt itself. Both sides open one GGUF file (written here with random weights for names of sizes) and take
 * turns of `tokens` steps, ours first in every other round, so both meet the same load of the machine. To give
 * both the same cores: `taskset -c 0 node bench/against/decode.ts`. Ratios above 1 are ours: theirs over ours, of
 * medians of the clock and of processor time. The Python needs llama-cpp-python, of which a current one builds from its
 * source package; node-llama-cpp is looked for from the current directory (npm install --no-save node-llama-cpp).
 */
import { readOptions } from "../setup/command-line.ts";
import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { argmax, Decoder } from "../../src/inference/index.ts";
import { loadModel } from "../../src/load-model.ts";
import { ortBackend } from "../../src/tensor/backends/onnx/node/index.ts";
import { findBenchPreset } from "../setup/bench-presets.ts";
import { type GgufDtype, randomGguf } from "../setup/random-gguf.ts";
import { quantile } from "../setup/decode-rounds.ts";

const given = readOptions({
  model: "30m",
  dtype: "f32",
  context: 64,
  threads: 1,
  rounds: 15,
  tokens: 8,
  prefill: false,
  peer: "python",
});
const { context, threads, rounds, tokens } = given;
const capacity = context + tokens + 1;

const folder = await mkdtemp(join(tmpdir(), "engram-against-"));
let path = given.model;
if (!path.endsWith(".gguf")) {
  path = join(folder, `${given.model}.gguf`);
  const preset = findBenchPreset(given.model === "7m" ? "small" : given.model);
  await writeFile(path, randomGguf(preset, given.dtype as GgufDtype));
}

interface Turn {
  readonly seconds: number;
  readonly cpu: number;
  readonly ids: readonly number[];
}

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const [command, ...first] =
  given.peer === "python"
    ? [process.env["ENGRAM_PYTHON"] ?? "python3", here("run_llama_cpp.py")]
    : [process.execPath, here("run-node-llama-cpp.ts")];
const peer = spawn(command!, [...first, path, `${threads}`, `${capacity}`], {
  stdio: ["pipe", "pipe", "inherit"],
});
const answers = createInterface({ input: peer.stdout })[Symbol.asyncIterator]();
async function theirs(request: object): Promise<Turn> {
  peer.stdin.write(`${JSON.stringify(request)}\n`);
  const answer = await answers.next();
  if (answer.done === true) throw new Error(`${command} ended without an answer`);
  return JSON.parse(answer.value) as Turn;
}

const model = await loadModel(path, { backend: () => ortBackend({ threads }) });
const { vocabSize } = model.config;
const prompt = Array.from({ length: context }, (_, i) => (i * 31) % vocabSize);
const session = new Decoder(model.language, { capacity }).createSession();

async function ours(work: () => Promise<number[]>): Promise<Turn> {
  const used = process.cpuUsage();
  const start = performance.now();
  const ids = await work();
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(used);
  return { seconds, cpu: (user + system) / 1e6, ids };
}

const sides = {
  ours: (): Promise<Turn> =>
    ours(async () => {
      if (given.prefill) {
        session.rewind(0);
        return [argmax((await session.append(prompt)).logits)];
      }
      session.rewind(context);
      const ids: number[] = [];
      for (let i = 0; i < tokens; i++)
        ids.push(argmax((await session.append([ids.at(-1) ?? 1])).logits));
      return ids;
    }),
  theirs: (): Promise<Turn> =>
    theirs(given.prefill ? { prompt: context } : { from: context, tokens, id: 1 }),
};
await session.append(prompt);
await theirs({ prompt: context });
await rm(folder, { recursive: true });

const turns: Record<"ours" | "theirs", Turn[]> = { ours: [], theirs: [] };
for (let round = -2; round < rounds; round++)
  for (const name of round % 2 === 0
    ? (["ours", "theirs"] as const)
    : (["theirs", "ours"] as const)) {
    const turn = await sides[name]();
    if (round >= 0) turns[name].push(turn);
  }
peer.stdin.end();

const perRound = given.prefill ? context : tokens;
const rate = (side: readonly Turn[], of: "seconds" | "cpu", share: number): number =>
  perRound /
  quantile(
    side.map((turn) => turn[of]),
    share,
  );
const line = (name: "ours" | "theirs"): string =>
  `${name.padEnd(7)} ${rate(turns[name], "seconds", 0.5).toFixed(1)} tokens/s ` +
  `(quartiles ${rate(turns[name], "seconds", 0.75).toFixed(1)} to ${rate(turns[name], "seconds", 0.25).toFixed(1)}), ` +
  `by processor time ${rate(turns[name], "cpu", 0.5).toFixed(1)}`;
const ratios = turns.ours.map((turn, i) => turns.theirs[i]!.seconds / turn.seconds);
const ratio = (of: "seconds" | "cpu", share: number): string =>
  (rate(turns.ours, of, share) / rate(turns.theirs, of, share)).toFixed(3);
const alike = turns.ours[0]!.ids.filter((id, i) => id === turns.theirs[0]!.ids[i]).length;
console.log(
  [
    `${given.model} ${given.dtype}, ${given.prefill ? "prompt" : "decode"} at ${context}, ${threads} threads, ` +
      `${rounds} rounds of ${perRound}; ${given.peer}; first ids alike ${alike} of ${turns.ours[0]!.ids.length}`,
    line("ours"),
    line("theirs"),
    `ours over theirs ${ratio("seconds", 0.5)}; of rounds ${quantile(ratios, 0.5).toFixed(3)} ` +
      `(quartiles ${quantile(ratios, 0.25).toFixed(3)} to ${quantile(ratios, 0.75).toFixed(3)}); ` +
      `of 10th percentiles ${ratio("seconds", 0.1)}; of processor time ${ratio("cpu", 0.5)}`,
  ].join("\n"),
);
process.exit(0);
