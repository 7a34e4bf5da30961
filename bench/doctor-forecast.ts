/**
 * Is `engram doctor`'s forecast true? Forecasts decoding in three tiers, then decodes in them. Claim it stands for:
 * measured tokens/s are within a fifth of the forecast, tier by tier, on an idle machine.
 *
 *   node bench/doctor-forecast.ts [--model DIR] [--rounds 4] [--tokens 48] [--dir TMP]
 *
 * Without --model a model of preset small's sizes with random weights and a full table is made in --dir and removed.
 * Inside the timing windows: one `append` of one random id to a session, hashing, rows and computation included; ids
 * are random so that hardly a row is asked for twice, as the forecast's "every row missed" means it. Tiers take
 * turns, and every round forecasts anew, so that both see the same hours of a busy machine: memory; disk behind a cache of a megabyte a table, page cache holding the file (read whole before); the same
 * with the file thrown out of the page cache before every eight tokens. Outside: loading, compiling, forecasting,
 * emptying. Prints forecast, measured and their ratio, mean and p99 (forecasts: the median of the rounds').
 */
import { readOptions } from "./setup/command-line.ts";
import { findBenchPreset } from "./setup/bench-presets.ts";
import { spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openModelDirectory } from "../src/checkpoint/node/index.ts";
import { examine, type TierForecast } from "../src/doctor.ts";
import { loadModel } from "../src/load-model.ts";
import type { Model } from "../src/opened-model.ts";
import { spreadOf } from "../src/machine/index.ts";
import { emptyPageCache } from "../src/machine/node/index.ts";
import {
  buildLayout,
  buildTokenMap,
  type EngramConfig,
  RamStore,
  rowFormat,
} from "../src/memory/index.ts";
import { initialParams, type ModelConfig, paramLayout, paramViews } from "../src/model/index.ts";
import { Random } from "../src/numerics/index.ts";
import { saveModel } from "../src/save-model.ts";
import { tableName } from "../src/at-rest/index.ts";
import { ortBackend } from "../src/tensor/backends/onnx/node/index.ts";
import { parseTokenizerJson, toTokenizerJson, trainBpe } from "../src/tokenizer/index.ts";
import { median } from "./setup/training-run.ts";

const flags = readOptions({
  model: undefined,
  rounds: 4,
  tokens: 48,
  dir: tmpdir(),
});
const rounds = flags.rounds;
const numTokens = flags.tokens;
const made =
  flags.model === undefined ? await mkdtemp(join(flags.dir, "engram-bench-")) : undefined;
const directory = flags.model ?? made!;
const random = Random.fromSeed(5);
try {
  if (made !== undefined) await writeModel(made);
  const forecasts: TierForecast[] = [];
  const tables = await tableFiles();
  const backend = ortBackend();
  const tierOf = async (tier: string, tableMemory?: number, prepare?: () => Promise<void>) => ({
    tier,
    prepare,
    model: await loadModel(directory, {
      backend,
      ...(tableMemory !== undefined && { tableMemory }),
    }),
    times: [] as number[],
  });
  const cacheBytes = tables.length * 2 ** 20;
  const subjects = [
    await tierOf("memory"),
    await tierOf("disk, in the page cache", cacheBytes, readTables),
    await tierOf("disk, cold", cacheBytes, async () => {
      for (const path of tables) emptyPageCache(path);
    }),
  ];
  for (let round = 0; round <= rounds; round++) {
    for (const { model, prepare, times } of subjects) {
      // The first round compiles.
      const found = await decode(model, prepare);
      if (round > 0) times.push(...found);
    }
    if (round > 0) forecasts.push(...(await examine({ model: directory, directory })).tiers);
  }
  for (const { tier, times, model } of subjects) {
    const { mean, p99 } = spreadOf(times);
    const forecast = forecasts.filter((one) => one.tier === tier).map(({ token }) => token);
    if (forecast.length === 0) {
      console.log(`${tier}: not to be measured on this system`);
      continue;
    }
    const expected = median(forecast.map((token) => token.mean));
    const expectedP99 = median(forecast.map((token) => token.p99));
    console.log(
      `${tier.padEnd(24)} forecast ${(1000 / expected).toFixed(0)} tok/s, p99 ${expectedP99.toFixed(2)} ms; ` +
        `measured ${(1000 / mean).toFixed(0)} tok/s, p99 ${p99.toFixed(2)} ms; ` +
        `ratio ${(expected / mean).toFixed(2)} (bar: 0.8 to 1.25), p99 ${(p99 / expectedP99).toFixed(2)}`,
    );
    await model.close();
  }

  async function tableFiles(): Promise<string[]> {
    await using files = await openModelDirectory(directory);
    const layers = files.config["engram_layer_ids"] as number[];
    const found = await Promise.all(layers.map((layer) => files.find(tableName(layer))));
    return found.map((tensor) => join(directory, tensor!.file));
  }

  /** By another process: this one's garbage would be collected inside the timing windows. */
  async function readTables(): Promise<void> {
    for (const path of tables) spawnSync("dd", [`if=${path}`, "of=/dev/null", "bs=4M"]);
  }

  async function decode(model: Model, prepare?: () => Promise<void>): Promise<number[]> {
    await using session = model.createSession();
    const times: number[] = [];
    for (let i = 0; i < Math.min(numTokens, session.remaining + i); i++) {
      if (i % 8 === 0) await prepare?.();
      const ids = [Math.floor(random.uniform() * model.config.vocabSize)];
      const start = performance.now();
      await session.append(ids);
      times.push(performance.now() - start);
    }
    return times;
  }
} finally {
  if (made !== undefined) await rm(made, { recursive: true, force: true });
}
process.exit(0);

async function writeModel(path: string): Promise<void> {
  const preset = findBenchPreset("small");
  const text = await readFile(new URL("../assets/tinyshakespeare.txt", import.meta.url), "utf8");
  const json = toTokenizerJson(await trainBpe([text], { vocabSize: preset.vocabSize }));
  const tokenizer = await parseTokenizerJson(json);
  const { compressedVocabSize } = buildTokenMap(tokenizer);
  const padTokenId = tokenizer.eosTokenId!;
  const engram: EngramConfig = { ...preset.memory, padTokenId, compressedVocabSize, seed: 0 };
  const config: ModelConfig = { ...preset.model, vocabSize: tokenizer.vocabSize, engram };
  const layout = paramLayout(config);
  const format = rowFormat("f32", engram.headDim);
  await saveModel(path, {
    config,
    tokenizer: json,
    eosTokenId: padTokenId,
    params: paramViews(layout, initialParams(layout, 1)),
    tables: buildLayout(engram).layers.map(({ layerId, numRows }) => {
      const store = new RamStore({ numRows, rowBytes: format.rowBytes });
      const values = new Float32Array(4096);
      for (const segment of store.segments)
        for (let at = 0; at < segment.length; at += 16_384) {
          random.fillNormal(values, 0.1);
          const bytes = new Uint8Array(values.buffer, 0, Math.min(16_384, segment.length - at));
          segment.set(bytes, at);
        }
      return { layerId, format, store };
    }),
  });
}
