/**
 * Where the time of a decode step goes. Stands for no claim: it says where to look.
 *
 *   node bench/decode-parts.ts [preset or model directory=assets/shakespeare] [dtype=f32] [threads=1] [rounds=41]
 *     [tokens a round=16]
 *
 * `dtype` is f32, q8 or q4. Inside the window: one `append` of one token and the choice of the next. The parts, medians
 * over the rounds in microseconds a token: "engine" is from the call of a run to its answer on this thread, waking both
 * threads included; "look-up" is hashing, reading and decoding of rows; "sampling" is temperature 0.8 with top-p 0.95;
 * "rest" is what is left: feeding inputs, taking readings out, turns of the event loop. The same without memory beside it, in turn.
 */
import { readWords } from "./setup/command-line.ts";
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import {
  createSampler,
  Decoder,
  type LanguageModel,
  type Session,
  withoutMemory,
} from "../src/inference/index.ts";
import { loadModel } from "../src/load-model.ts";
import type { Memory, MemoryReader } from "../src/memory/index.ts";
import type { WeightDtype } from "../src/model/index.ts";
import { ortBackend } from "../src/tensor/backends/onnx/node/index.ts";
import type { Backend } from "../src/tensor/index.ts";
import { findBenchPreset } from "./setup/bench-presets.ts";
import { median } from "./setup/training-run.ts";
import { untrainedModel } from "./setup/untrained-model.ts";

const shipped = fileURLToPath(new URL("../assets/shakespeare", import.meta.url));
const { name, dtype, threads, rounds, tokens } = readWords({
  name: shipped,
  dtype: "f32",
  threads: 1,
  rounds: 41,
  tokens: 16,
});
const spent = { engine: 0, lookUp: 0, sampling: 0 };

/** The same engine, its runs timed. */
function timedBackend(inner: Backend): Backend {
  return {
    name: inner.name,
    dispose: () => inner.dispose(),
    compile: async (graph) => {
      const executable = await inner.compile(graph);
      return {
        dispose: () => executable.dispose(),
        bind: (inputs, outputs) => {
          const binding = executable.bind(inputs, outputs);
          return {
            dispose: () => binding.dispose(),
            run: async () => {
              const start = performance.now();
              await binding.run();
              spent.engine += performance.now() - start;
            },
          };
        },
      };
    },
  };
}

function timed<Result>(part: "lookUp" | "sampling", work: () => Result): Result {
  const start = performance.now();
  const result = work();
  spent[part] += performance.now() - start;
  return result;
}

/** The same memory, in RAM, so that a look-up is over when the call returns. */
function timedMemory(inner: Memory): Memory {
  const { identity, inputs, takesHints } = inner;
  return {
    identity,
    inputs,
    takesHints,
    report: () => inner.report(),
    reader: (): MemoryReader => {
      const reader = inner.reader();
      return {
        address: (texts) => timed("lookUp", () => reader.address(texts)),
        lookUp: (at, into) => timed("lookUp", () => reader.lookUp(at, into)),
        hint: (at) => reader.hint(at),
      };
    },
  };
}

const directory = existsSync(name) ? name : await untrainedModel(findBenchPreset(name));
const backend = timedBackend(ortBackend({ threads }));
const model = await loadModel(directory, { backend, dtype: dtype as WeightDtype });
if (directory !== name) await rm(directory, { recursive: true });
const { memory } = model.language;
if (memory === undefined) throw new Error("a model with a memory is wanted");
const { vocabSize } = model.config;
const prompt = Array.from({ length: 64 }, (_, i) => (i * 31) % vocabSize);
const sampler = createSampler({ temperature: 0.8, topP: 0.95 });

interface Side {
  readonly session: Session;
  /** Of each round, microseconds a token. */
  readonly rounds: Record<"token" | "engine" | "lookUp" | "sampling" | "rest", number>[];
}

async function open(language: LanguageModel): Promise<Side> {
  const session = new Decoder(language).createSession();
  await session.append(prompt);
  return { session, rounds: [] };
}

const sides = {
  "with memory": await open({ ...model.language, memory: timedMemory(memory) }),
  "memory off": await open(withoutMemory(model.language)),
};
const count = tokens;
for (let round = -2; round < rounds; round++)
  for (const side of Object.values(sides)) {
    side.session.rewind(prompt.length);
    Object.assign(spent, { engine: 0, lookUp: 0, sampling: 0 });
    let id = 1;
    const start = performance.now();
    for (let i = 0; i < count; i++) {
      const { logits } = await side.session.append([id]);
      id = timed("sampling", () => sampler(logits, side.session.ids));
    }
    const token = performance.now() - start;
    const { engine, lookUp, sampling } = spent;
    const rest = token - engine - lookUp - sampling;
    const us = (ms: number): number => (1000 * ms) / count;
    if (round >= 0)
      side.rounds.push({
        token: us(token),
        engine: us(engine),
        lookUp: us(lookUp),
        sampling: us(sampling),
        rest: us(rest),
      });
  }
console.log("side,token_us,engine_us,look_up_us,sampling_us,rest_us");
for (const [side, { rounds: all }] of Object.entries(sides))
  console.log(
    [
      side,
      ...(["token", "engine", "lookUp", "sampling", "rest"] as const).map((part) =>
        median(all.map((one) => one[part])).toFixed(1),
      ),
    ].join(),
  );
process.exit(0);
