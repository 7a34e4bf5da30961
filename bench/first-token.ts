/**
 * From the start of a process to the first token it writes, with a table larger than this machine's RAM. Claim it
 * stands for: under one second.
 *
 *   node bench/first-token.ts [--gib 40] [--text FILE] [--tokenizer FILE] [--prompt-tokens 32] [--rounds 7] [--dir DIR]
 *   node bench/first-token.ts --model MODEL [--main dist/cli/main.js,OTHER/dist/cli/main.js] [--command chat|generate|start]
 *     [--ctx-size 512] [--rounds 7]
 *
 * The second form stands for other claims: 1.5 seconds from `engram chat MODEL` to the first token of an answer, at a
 * second start, files in the page cache; and memory after that answer of at most 1.3 times packed weights and context.
 * Its first round starts without what an earlier start kept (a cache of its own). Several programs (`--main`) take
 * turns, for a comparison on a busy machine; there, processor time says more than the clock.
 *
 * Inside the timing window: `engram generate MODEL --prompt ... --table-memory 256MiB` as a process of its own, from
 * its start to the first character after the prompt on its standard output: loading Node, the sources, weights and the
 * engine, compiling the graph, looking rows up, reading the prompt. Outside: making the model (a preset's weights, drawn
 * at random; a table whose rows for this prompt are written and whose other rows are a hole, so that it takes no disk)
 * and throwing the table out of the page cache, before every round. What Node and the engine's library need stays in
 * the page cache; the first round is printed by itself. Rows of the text after the prompt are in the hole: reading
 * them asks no disk.
 */
import { readOptions } from "./setup/command-line.ts";
import { spawnSync } from "node:child_process";
import { mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { loadavg, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { paramSpecs } from "../src/model/index.ts";
import { saveModel } from "../src/save-model.ts";
import { tableName } from "../src/at-rest/index.ts";
import { referenceBackend } from "../src/tensor/index.ts";
import { parseTokenizerJson } from "../src/tokenizer/index.ts";
import { quantile } from "./setup/decode-rounds.ts";
import { type FirstAnswer, firstAnswer } from "./setup/first-answer.ts";
import { rowBytes as contentOf, textModel, textOptions } from "./setup/text-model.ts";

const flags = readOptions({
  ...textOptions,
  gib: 40,
  "prompt-tokens": 32,
  rounds: 7,
  dir: tmpdir(),
  model: undefined,
  command: "chat",
  "ctx-size": 512,
  main: fileURLToPath(new URL("../src/cli/main.ts", import.meta.url)),
});
if (flags.model !== undefined) {
  await startRounds(flags.model);
  process.exit(0);
}
const setup = await textModel({
  backend: referenceBackend(),
  preset: flags.preset,
  numRows: (flags.gib * 2 ** 30) / 64,
  text: flags.text,
  tokenizer: flags.tokenizer,
  maxChars: 1_000_000,
});
const { config, format, numRows, ids } = setup;
const { rowBytes } = format;
const folder = await mkdtemp(join(flags.dir, "engram-first-token-"));
const model = join(folder, "model");
const tableFile = "model-engram-00001-of-00001.safetensors";
try {
  await saveModel(model, { ...setup, tables: [] });
  await addTable();
  const numPrompt = flags["prompt-tokens"];
  const prompt = (await parseTokenizerJson(setup.tokenizer)).decode(ids.slice(0, numPrompt));
  console.log(
    `table of ${numRows} rows of ${rowBytes} bytes (${((numRows * rowBytes) / 2 ** 30).toFixed(1)} GiB; this machine ` +
      `has ${(totalmem() / 2 ** 30).toFixed(1)} GiB), preset ${flags.preset}, prompt of ${numPrompt} tokens; load ${load()}`,
  );
  const seconds: number[] = [];
  for (let round = 0; round < flags.rounds; round++) {
    spawnSync("dd", [`if=${join(model, tableFile)}`, "iflag=nocache", "count=0"]);
    seconds.push(await firstToken(prompt));
  }
  const [first, ...rest] = seconds;
  console.log(
    `first round ${first!.toFixed(3)} s; then median ${quantile(rest, 0.5).toFixed(3)} s, ` +
      `from ${Math.min(...rest).toFixed(3)} to ${Math.max(...rest).toFixed(3)} s (bar: 1 s)`,
  );
} finally {
  await rm(folder, { recursive: true, force: true });
}

/** A file of the table's full size, in which only the rows of the text's beginning are written. */
async function addTable(): Promise<void> {
  const name = tableName(config.engram!.layerIds[0]!);
  const shape = [numRows, format.headDim];
  const entry = { dtype: "F32", shape, data_offsets: [0, numRows * rowBytes] };
  const json = JSON.stringify({ [name]: entry });
  const header = Buffer.alloc(8 + Math.ceil(json.length / 64) * 64, " ");
  header.writeBigUInt64LE(BigInt(header.length - 8));
  header.write(json, 8);
  const file = await open(join(model, tableFile), "wx");
  await file.write(header);
  await file.truncate(header.length + numRows * rowBytes);
  for (const row of new Set(setup.rowsOf(0, 1000)))
    await file.write(contentOf(format, row, 1), 0, rowBytes, header.length + row * rowBytes);
  await file.sync();
  await file.close();
  const weights = paramSpecs(config).map((spec) => [spec.name, "model.safetensors"]);
  const index = { weight_map: { ...Object.fromEntries(weights), [name]: tableFile } };
  await writeFile(join(model, "model.safetensors.index.json"), JSON.stringify(index));
}

async function startRounds(path: string): Promise<void> {
  const mains = flags.main.split(",");
  const caches = await Promise.all(
    mains.map(() => mkdtemp(join(flags.dir, "engram-first-token-"))),
  );
  const found = mains.map((): FirstAnswer[] => []);
  try {
    for (let round = 0; round < flags.rounds; round++)
      for (const [i, main] of mains.entries())
        found[i]!.push(await firstAnswer({ main, cache: caches[i]!, ...commandOn(path) }));
  } finally {
    for (const cache of caches) await rm(cache, { recursive: true, force: true });
  }
  console.log(`${flags.command} ${path}, context ${flags["ctx-size"]}; load ${load()}`);
  for (const [i, [first, ...rest]] of found.entries()) {
    const said = (of: (one: FirstAnswer) => number, digits = 2): string => {
      const values = rest.map(of);
      return (
        `first ${of(first!).toFixed(digits)}, later ones median ${quantile(values, 0.5).toFixed(digits)} ` +
        `(${Math.min(...values).toFixed(digits)} to ${Math.max(...values).toFixed(digits)})`
      );
    };
    console.log(`${mains[i]}, seconds to the first token`);
    console.log(`  by the clock      ${said((one) => one.seconds)} (bar: 1.5)`);
    console.log(`  of processor time ${said((one) => one.processorSeconds)}`);
    if (first!.memory === undefined) continue;
    console.log("  MiB after the answer");
    for (const key of ["resident", "largest", "ofFiles", "own"] as const)
      console.log(`  ${key.padEnd(9)} ${said((one) => one.memory![key], 0)}`);
  }
}

function commandOn(path: string): { words: string[]; input?: string; behind?: number } {
  const question = "What is the capital of France?";
  if (flags.command === "chat") {
    const settings = ["--max-tokens", "8", "--temperature", "0", "--ctx-size"];
    const words = ["chat", path, ...settings, String(flags["ctx-size"])];
    return { words, input: `${question}\n` };
  }
  // Without a terminal it ends after its texts; the model that comes along is the one it shows.
  if (flags.command === "start")
    return { words: ["start"], behind: Buffer.byteLength("\n--- memory on ---\nThe city of") };
  const words = ["generate", path, "--prompt", question, "--max-tokens", "8", "--temperature", "0"];
  return { words, behind: Buffer.byteLength(question) };
}

async function firstToken(prompt: string): Promise<number> {
  const words = ["generate", model, "--prompt", prompt, "--max-tokens", "8", "--temperature", "0"];
  const behind = Buffer.byteLength(prompt);
  const { seconds } = await firstAnswer({
    main: flags.main,
    words: [...words, "--table-memory", "256MiB"],
    behind,
  });
  return seconds;
}

function load(): string {
  return loadavg()
    .map((one) => one.toFixed(1))
    .join(" ");
}
