/**
 * Decoding with a table of 16 GiB in RAM beside one of 64 MiB. Claim it stands for: at least 0.97 of the tokens/s.
 *
 *   node bench/decode-ram-size.ts [--gib 16] [--text FILE] [--tokenizer FILE] [--preset small] [--threads 2]
 *     [--rounds 12] [--tokens 100]
 *
 * Inside the timing windows: one `append` of one token of the text. Outside: making the tables, and reading 256 MiB of
 * other memory before every round, so that no row of a round is in a processor's cache when it begins. Of the large
 * table only the rows that the text asks for are written, each on a page of its own for the most part; the others are
 * pages that do not exist, so that the program runs on machines of any size. Both tables lie on pages of 4 KiB, the
 * worst case for a random read. Rounds take the sides in turn; the first is left out. The sides have other rows (other
 * buckets), so their predictions are not compared.
 */
import { readOptions } from "./setup/command-line.ts";
import { spawnSync } from "node:child_process";
import { type LanguageModel } from "../src/inference/index.ts";
import { RamStore } from "../src/memory/index.ts";
import { ortBackend } from "../src/tensor/backends/onnx/node/index.ts";
import { decodeRounds, printResults } from "./setup/decode-rounds.ts";
import { rowBytes as contentOf, textModel, textOptions } from "./setup/text-model.ts";

const flags = readOptions({
  ...textOptions,
  gib: 16,
  threads: 2,
  rounds: 12,
  tokens: 100,
});
const { rounds, tokens } = flags;
const backend = ortBackend({ threads: flags.threads });
const other = new Float64Array(2 ** 25).fill(1);
let ids: readonly number[] = [];

async function withTableOf(gib: number): Promise<LanguageModel> {
  const setup = await textModel({
    backend,
    preset: flags.preset,
    numRows: (gib * 2 ** 30) / 64,
    text: flags.text,
    tokenizer: flags.tokenizer,
    maxChars: 200_000,
  });
  const { numRows, format } = setup;
  const store = new RamStore({ numRows, rowBytes: format.rowBytes });
  for (const row of new Set(setup.rowsOf(0, (rounds + 1) * tokens)))
    store.writeSync(Uint32Array.of(row), contentOf(format, row, 1));
  ids = setup.ids;
  return setup.withTable(store);
}

const small = await withTableOf(1 / 16);
const large = await withTableOf(flags.gib);
const load = spawnSync("uptime", { encoding: "utf8" }).stdout.split("load average: ")[1]?.trim();
console.log(
  `${flags.gib} GiB beside 64 MiB, preset ${flags.preset}, ${flags.threads} threads; load ${load ?? "?"}`,
);
const sides = [
  { name: "64 MiB", model: small, before: readOther },
  { name: `${flags.gib} GiB`, model: large, before: readOther },
];
printResults(await decodeRounds(sides, { ids, from: 0, rounds, tokens, areAlike: false }));
process.exit(0);

/** One number of each cache line. */
function readOther(): void {
  let sum = 0;
  for (let i = 0; i < other.length; i += 8) sum += other[i]!;
  if (sum !== other.length / 8) throw new Error(`the other memory has ${sum}`);
}
