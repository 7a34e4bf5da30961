/**
 * Claim: decoding with weights packed in 4 bits reaches at least 3 times the tokens/s of f32, on a model of 30 M
 * parameters.
 *
 *   node bench/decode-quantized.ts [threads=2] [rounds=15] [tokens a round=48] [context=64]
 *
 * Inside the window: appending one token after another to a session and taking the likeliest next (hashing,
 * look-up and decoding of rows included), after a prompt of `context` tokens. Three sessions with a
 * memory, over the same random weights as f32, 8 bits and 4 bits, take turns; ratios are of medians over
 * the rounds. Outside it: packing the weights, loading the graphs, the prompt. Bytes are those of the weights.
 */
import { readWords } from "./setup/command-line.ts";
import { argmax, Decoder, type Session } from "../src/inference/index.ts";
import { numParams, paramSpecs, type WeightDtype, WEIGHT_DTYPES } from "../src/model/index.ts";
import { weightBytes } from "../src/model-weights.ts";
import { ortBackend } from "../src/tensor/backends/onnx/node/index.ts";
import { packedModel } from "./setup/packed-model.ts";
import { thirtyMillion } from "./setup/bench-presets.ts";
import { benchRun, median } from "./setup/training-run.ts";

const { threads, rounds, tokens, context } = readWords({
  threads: 2,
  rounds: 15,
  tokens: 48,
  context: 64,
});
const backend = ortBackend({ threads });
const { model: f32 } = await benchRun(thirtyMillion, { backend });
const { config } = f32;

interface Side {
  readonly dtype: WeightDtype;
  readonly session: Session;
  readonly ms: number[];
}

const prompt = Array.from({ length: context }, (_, i) => (i * 31) % config.vocabSize);
const sides: Side[] = [];
for (const dtype of WEIGHT_DTYPES) {
  const session = new Decoder(packedModel(f32, dtype)).createSession();
  await session.append(prompt);
  sides.push({ dtype, session, ms: [] });
}

async function round({ session, ms }: Side, isCounted: boolean): Promise<void> {
  session.rewind(prompt.length);
  let id = 1;
  const start = performance.now();
  for (let i = 0; i < tokens; i++) id = argmax((await session.append([id])).logits);
  if (isCounted) ms.push((performance.now() - start) / tokens);
}
for (let i = 0; i < rounds + 2; i++)
  for (let k = 0; k < sides.length; k++) await round(sides[(i + k) % sides.length]!, i >= 2);

const base = median(sides[0]!.ms);
console.log(
  `${(numParams(paramSpecs(config)) / 1e6).toFixed(1)} M parameters, memory on, threads=${threads}, ` +
    `${rounds} rounds of ${tokens} tokens after ${context}`,
);
for (const { dtype, ms } of sides) {
  const sorted = ms.toSorted((a, b) => a - b);
  const spread = [sorted[0]!, sorted.at(-1)!].map((t) => (1000 / t).toFixed(0)).toReversed();
  console.log(
    `${dtype.padEnd(4)} ${(weightBytes({ config, tensors: new Map() }, dtype) / 2 ** 20).toFixed(1).padStart(6)} MiB of weights ` +
      `${(1000 / median(ms)).toFixed(0).padStart(5)} tokens/s (rounds ${spread.join("..")})   ` +
      `${(base / median(ms)).toFixed(2)} times f32${dtype === "q4" ? " (bar: 3)" : ""}`,
  );
}
process.exit(0);
