/**
 * A directory with a model of a preset's sizes, its weights random and its tables empty: what takes as
 * long as a trained one and writes nothing worth reading. Its vocabulary is learned from the sample text. It counts
 * nothing, whatever the preset counts.
 */
import { mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { saveModel } from "../../src/save-model.ts";
import {
  buildLayout,
  buildTokenMap,
  type EngramConfig,
  RamStore,
  rowFormat,
} from "../../src/memory/index.ts";
import { initialParams, type ModelConfig, paramLayout, paramViews } from "../../src/model/index.ts";
import { parseTokenizerJson, toTokenizerJson, trainBpe } from "../../src/tokenizer/index.ts";
import type { Preset } from "../../src/training/index.ts";

const sampleText = new URL("../../assets/tinyshakespeare.txt", import.meta.url);

/** Resolves to the directory's path; it is the caller's to remove. */
export async function untrainedModel(preset: Preset): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "engram-bench-"));
  const text = await readFile(sampleText, "utf8");
  const tokenizerJson = toTokenizerJson(await trainBpe([text], { vocabSize: preset.vocabSize }));
  const tokenizer = await parseTokenizerJson(tokenizerJson);
  const engram: EngramConfig = {
    ...preset.memory,
    padTokenId: tokenizer.eosTokenId!,
    compressedVocabSize: buildTokenMap(tokenizer).compressedVocabSize,
    seed: 0,
  };
  const config: ModelConfig = { ...preset.model, vocabSize: tokenizer.vocabSize, engram };
  const layout = paramLayout(config);
  const format = rowFormat("f32", engram.headDim);
  await saveModel(directory, {
    config,
    tokenizer: tokenizerJson,
    eosTokenId: tokenizer.eosTokenId!,
    params: paramViews(layout, initialParams(layout, 1)),
    tables: buildLayout(engram).layers.map(({ layerId, numRows }) => ({
      layerId,
      format,
      store: new RamStore({ numRows, rowBytes: format.rowBytes }),
    })),
  });
  return directory;
}
