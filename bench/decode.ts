/**
 * Claim: decoding with memory reaches at least 0.97 of the tokens/s of the same backbone without.
 *
 *   node bench/decode.ts [preset or 30m=small] [threads=2] [rounds=101] [tokens a round=8]
 *
 * Inside the window: appending one token after another to a session and taking the likeliest next
 * (hashing, look-up and decoding of rows included). Two sessions over the same weights, one with the
 * memory and one without, take turns; the ratio is of medians over the rounds. Rows are spread over a
 * table as large as the preset's. Rounds are short, because on a shared machine speed drifts by more than the
 * difference within a second.
 */
import "./setup/command-line.ts";
import { argmax, Decoder, type Session, withoutMemory } from "../src/inference/index.ts";
import { ortBackend } from "../src/tensor/backends/onnx/node/index.ts";
import { findBenchPreset } from "./setup/thirty-million.ts";
import { benchRun, median } from "./setup/training-run.ts";

const presetName = process.argv[2] ?? "small";
const threads = Number(process.argv[3] ?? 2);
const rounds = Number(process.argv[4] ?? 101);
const tokens = Number(process.argv[5] ?? 8);
const backend = ortBackend({ threads });
const { model } = await benchRun(findBenchPreset(presetName), {
  backend,
});
const prompt = Array.from({ length: 64 }, (_, i) => (i * 31) % model.config.vocabSize);

async function open(decoder: Decoder): Promise<{ session: Session; ms: number[] }> {
  const session = decoder.createSession();
  await session.append(prompt);
  return { session, ms: [] };
}
const on = await open(new Decoder(model));
const off = await open(new Decoder(withoutMemory(model)));

async function round({ session, ms }: typeof on, isCounted: boolean): Promise<void> {
  session.rewind(prompt.length);
  let id = 1;
  const start = performance.now();
  for (let i = 0; i < tokens; i++) id = argmax((await session.append([id])).logits);
  if (isCounted) ms.push((performance.now() - start) / tokens);
}
for (let i = 0; i < rounds + 2; i++)
  for (const side of i % 2 === 0 ? [on, off] : [off, on]) await round(side, i >= 2);
const [msOn, msOff] = [median(on.ms), median(off.ms)];
console.log(
  [
    `preset=${presetName} threads=${threads} rounds=${rounds} of ${tokens} tokens`,
    `memory on ${(1000 / msOn).toFixed(0)} tokens/s, off ${(1000 / msOff).toFixed(0)} tokens/s`,
    `ratio ${(msOff / msOn).toFixed(3)} (bar: 0.97)`,
  ].join("\n"),
);
process.exit(0);
