/**
 * Claim: decoding with memory reaches at least 0.97 of the tokens/s of the same backbone without.
 *
 *   node bench/decode.ts [preset, 30m or 138m=small] [threads=2] [rounds=101] [tokens a round=8] [dtype=f32] [context=64]
 *
 * Inside the window: appending one token after another to a session and taking the likeliest next
 * (hashing, look-up and decoding of rows included), after a prompt of `context` tokens. Two sessions over the same weights, held as
 * `dtype` (f32, in blocks of rows as a loaded model has them, q8 or q4), one with the memory and one without, take turns; ratios are of
 * medians over the rounds, by the clock and by processor time. Rows are spread over a table as large as the preset's, every page of which was written before. Rounds are short, because on a
 * shared machine speed drifts by more than the difference within a second.
 */
import { readWords } from "./setup/command-line.ts";
import { argmax, Decoder, type Session, withoutMemory } from "../src/inference/index.ts";
import { rowsOf } from "../src/memory/index.ts";
import { blockRows, type WeightDtype } from "../src/model/index.ts";
import { ortBackend } from "../src/tensor/backends/onnx/node/index.ts";
import { packedModel } from "./setup/packed-model.ts";
import { fillTable } from "./setup/text-model.ts";
import { findBenchPreset } from "./setup/bench-presets.ts";
import { benchRun, median } from "./setup/training-run.ts";

const given = readWords({
  preset: "small",
  threads: 2,
  rounds: 101,
  tokens: 8,
  dtype: "f32",
  context: 64,
});
const { preset: presetName, threads, rounds, tokens, context } = given;
const dtype = given.dtype as WeightDtype;
const backend = ortBackend({ threads });
const preset = findBenchPreset(presetName);
const maxPositions = Math.max(preset.model.maxPositions, context + tokens + 1);
const run = await benchRun({ ...preset, model: { ...preset.model, maxPositions } }, { backend });
for (const { store, format } of rowsOf(run.model.memory)!.tables)
  await fillTable({ format, numRows: store.numRows }, (rows, bytes) => store.write!(rows, bytes));
const rowBlock = dtype === "f32" ? await backend.rowBlock?.() : undefined;
const params = rowBlock && blockRows(run.model.config, run.model.params, rowBlock);
const model = packedModel(params ? { ...run.model, params, rowBlock } : run.model, dtype);
const prompt = Array.from({ length: context }, (_, i) => (i * 31) % model.config.vocabSize);

interface Side {
  readonly session: Session;
  readonly ms: number[];
  readonly cpu: number[];
}

async function open(decoder: Decoder): Promise<Side> {
  const session = decoder.createSession();
  await session.append(prompt);
  return { session, ms: [], cpu: [] };
}
const on = await open(new Decoder(model));
const off = await open(new Decoder(withoutMemory(model)));

async function round({ session, ms, cpu }: Side, isCounted: boolean): Promise<void> {
  session.rewind(prompt.length);
  let id = 1;
  const begun = process.cpuUsage();
  const start = performance.now();
  for (let i = 0; i < tokens; i++) id = argmax((await session.append([id])).logits);
  if (!isCounted) return;
  ms.push((performance.now() - start) / tokens);
  const { user, system } = process.cpuUsage(begun);
  cpu.push((user + system) / 1000 / tokens);
}
for (let i = 0; i < rounds + 2; i++)
  for (const side of i % 2 === 0 ? [on, off] : [off, on]) await round(side, i >= 2);
const ratio = (of: "ms" | "cpu"): string => (median(off[of]) / median(on[of])).toFixed(3);
const rate = ({ ms }: Side): string => (1000 / median(ms)).toFixed(0);
console.log(
  [
    `preset=${presetName} ${dtype} after ${context}, threads=${threads} rounds=${rounds} of ${tokens} tokens`,
    `memory on ${rate(on)} tokens/s, off ${rate(off)} tokens/s`,
    `ratio ${ratio("ms")}, by processor time ${ratio("cpu")} (bar: 0.97)`,
  ].join("\n"),
);
process.exit(0);
