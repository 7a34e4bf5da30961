/**
 * Claim: a model with a memory is as good as a larger one without, and writes its tokens sooner.
 *
 *   node bench/latency-at-quality.ts --models DIR,DIR,... --text FILE [--threads 1] [--rounds 41] [--tokens 16]
 *
 * Each model is a directory that `engram train` wrote; its bits per byte are those of the text that was held out from its
 * training (training.json), which has to be one text for all of them. Inside the window: appending the tokens of FILE,
 * one after another, to a session of each model in turn, from 32 tokens on. For every model with a memory the last lines
 * name the quickest one without that is at least as good. Ratios of medians, of the processor's time and on the clock.
 */
import { needed, readOptions } from "./setup/command-line.ts";
import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { InvalidConfigError } from "../src/errors.ts";
import { loadModel, ortBackend } from "../src/index.ts";
import { Decoder } from "../src/inference/index.ts";
import { numParams, paramSpecs } from "../src/model/index.ts";
import { median } from "./setup/training-run.ts";

const { models, text, threads, rounds, tokens } = readOptions({
  models: needed,
  text: needed,
  threads: 1,
  rounds: 41,
  tokens: 16,
});
const PROMPT = 32;
const WARM_ROUNDS = 3;
const written = readFileSync(text, "utf8");
const backend = ortBackend({ threads });

const sides = await Promise.all(
  models.split(",").map(async (directory) => {
    const model = await loadModel(directory, { backend });
    const report = JSON.parse(readFileSync(join(directory, "training.json"), "utf8")) as {
      bitsPerByte: number;
      validBytes: number;
    };
    const { config } = model.language;
    return {
      name: basename(directory),
      ...report,
      hasMemory: config.engram !== undefined || config.counted !== undefined,
      weights: numParams(paramSpecs(config)),
      ids: await model.tokenizer.encode(written),
      session: new Decoder(model.language).createSession(),
      clock: [] as number[],
      processor: [] as number[],
    };
  }),
);
const heldOut = new Set(sides.map(({ validBytes }) => validBytes));
if (heldOut.size > 1)
  throw new InvalidConfigError(
    `expected models that were measured on one text, got texts of ${[...heldOut].join(" and ")} bytes`,
  );

for (let round = 0; round < rounds + WARM_ROUNDS; round++)
  for (const side of round % 2 === 0 ? sides : sides.toReversed()) {
    const { session, ids } = side;
    const from = (round * tokens) % (ids.length - tokens - PROMPT);
    session.rewind(0);
    await session.append(ids.subarray(from, from + PROMPT));
    const [start, used] = [performance.now(), process.cpuUsage()];
    for (let i = 0; i < tokens; i++) await session.append([ids[from + PROMPT + i]!]);
    if (round < WARM_ROUNDS) continue;
    const { user, system } = process.cpuUsage(used);
    side.clock.push((1000 * (performance.now() - start)) / tokens);
    side.processor.push((user + system) / tokens);
  }

for (const { name, hasMemory, weights, bitsPerByte, clock, processor } of sides)
  console.log(
    `${name.padEnd(20)} ${hasMemory ? "memory" : "      "} ${String(weights).padStart(9)} weights  ${bitsPerByte.toFixed(4)} bits a byte  ` +
      `${median(processor).toFixed(0)} us of processor a token, ${median(clock).toFixed(0)} by the clock`,
  );
const without = sides
  .filter((side) => !side.hasMemory)
  .toSorted((a, b) => median(a.processor) - median(b.processor));
for (const side of sides.filter(({ hasMemory }) => hasMemory)) {
  const equal = without.find(({ bitsPerByte }) => bitsPerByte <= side.bitsPerByte);
  const ratio = (of: "processor" | "clock"): string =>
    (median(side[of]) / median(equal![of])).toFixed(2);
  console.log(
    equal === undefined
      ? `${side.name}: none without a memory is as good`
      : `${side.name}: ${ratio("processor")} of the processor's time of ${equal.name} (${ratio("clock")} by the clock), ` +
          `which has ${(equal.weights / side.weights).toFixed(1)} times the weights`,
  );
}
process.exit(0);
