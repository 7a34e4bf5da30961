/**
 * Claim: a decode step with counted memory takes no longer than one with learned rows.
 *
 *   node bench/decode-counted.ts [order=4] [threads=1] [rounds=61] [tokens a round=16]
 *
 * Inside the window: appending the tokens of a text, one after another, to a session (addresses, look-up, mixture
 * included). Three sessions over the weights of the sample model take turns: with its learned rows, with counts of the
 * first nine tenths of its training text, and with neither; the text comes from the last tenth. Weights of the mixture
 * are zero, which costs what any others cost. Ratios are of medians, on the clock and of the processor's time.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { readWords } from "./setup/command-line.ts";
import { loadModel, ortBackend } from "../src/index.ts";
import { Decoder, type LanguageModel, withoutMemory } from "../src/inference/index.ts";
import {
  buildCountedTable,
  CountedMemory,
  sortByContext,
  tableInRam,
} from "../src/memory/index.ts";
import { paramLayout, paramViews } from "../src/model/index.ts";
import { median } from "./setup/training-run.ts";

const { order, threads, rounds, tokens } = readWords({
  order: 4,
  threads: 1,
  rounds: 61,
  tokens: 16,
});
const asset = (name: string): string =>
  fileURLToPath(new URL(`../assets/${name}`, import.meta.url));
const backend = ortBackend({ threads });
await using sample = await loadModel(asset("shakespeare"), { backend });
const ids = await sample.tokenizer.encode(readFileSync(asset("tinyshakespeare.txt"), "utf8"));
const cut = Math.floor(0.9 * ids.length);

function counted(model: LanguageModel): LanguageModel {
  const { config: sizes, ...rest } = withoutMemory(model);
  const config = { ...sizes, counted: { order } };
  const { vocabSize, numLayers: layerId } = config;
  const text = { tokens: Uint16Array.from(ids.subarray(0, cut)), starts: Uint32Array.of(0) };
  const table = buildCountedTable(sortByContext(text, { order, vocabSize }), { vocabSize });
  const layout = paramLayout(config);
  const zeros = paramViews(layout, new Float32Array(layout.length));
  const memory = new CountedMemory(tableInRam(table), { layerId });
  return { ...rest, config, memory, params: { ...zeros, ...rest.params } };
}

const arms = {
  learned: sample.language,
  counted: counted(sample.language),
  none: withoutMemory(sample.language),
};
const sides = Object.entries(arms).map(([name, model]) => ({
  name,
  session: new Decoder(model).createSession(),
  clock: [] as number[],
  processor: [] as number[],
}));
for (let round = 0; round < rounds + 3; round++) {
  const from = cut + ((round * tokens) % (ids.length - cut - tokens - 32));
  for (const { session, clock, processor } of round % 2 === 0 ? sides : sides.toReversed()) {
    session.rewind(0);
    await session.append(ids.subarray(from, from + 32));
    const [start, used] = [performance.now(), process.cpuUsage()];
    for (let i = 0; i < tokens; i++) await session.append([ids[from + 32 + i]!]);
    if (round < 3) continue;
    const { user, system } = process.cpuUsage(used);
    clock.push((1000 * (performance.now() - start)) / tokens);
    processor.push((user + system) / tokens);
  }
}
const [learned] = sides;
for (const { name, clock, processor } of sides) {
  const over = (of: "clock" | "processor", own: number[]): string =>
    `${median(own).toFixed(0)} us (${(median(own) / median(learned![of])).toFixed(3)} of learned)`;
  console.log(
    `${name.padEnd(8)} clock ${over("clock", clock)}  processor ${over("processor", processor)}`,
  );
}
console.log(`order=${order} threads=${threads} rounds=${rounds} of ${tokens} tokens (bar: 1.00)`);
process.exit(0);
