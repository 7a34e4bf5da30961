/**
 * Writes a model as a directory (`checkpoint/model-files.ts` has the layout) over the one that is there. Does not know
 * what a model computes, which tensors it needs, or what the settings mean.
 */
import { join } from "node:path";
import { writeDurably } from "../../bytes/node/index.ts";
import type { FileRecord } from "../manifest.ts";
import { type JsonObject, modelNames } from "../model-files.ts";
import { layoutFile } from "../safetensors.ts";
import type { TensorSource } from "../safetensors-file.ts";
import { recordOfFile, writeManifest } from "./checked-file.ts";
import { placeFiles, publishFiles } from "./publish.ts";
import { writeSafetensors } from "./safetensors-file.ts";
import { filesIn } from "./seal.ts";

/** Everything a model directory is made of. */
export interface ModelToWrite {
  readonly config: JsonObject;
  readonly generationConfig?: JsonObject;
  /** The text of tokenizer.json. */
  readonly tokenizer?: string;
  readonly weights: readonly TensorSource[];
  /** Most bytes of a file that has more than one weight. Default: one file has all. */
  readonly weightFileBytes?: number | undefined;
  /** One list per file; a table and its scales belong into one. */
  readonly tables?: readonly (readonly TensorSource[])[];
  /** Jinja source; see above. */
  readonly chatTemplate?: string;
  /** What quantising cost, for quantization.json. */
  readonly certificate?: JsonObject;
  /** Counts of the n-grams of the text it was trained on, for corpus.ngrams. */
  readonly corpus?: Uint8Array | undefined;
  /** Names of files that are in the directory already and are vouched for from now on, as they are. */
  readonly beside?: readonly string[];
  /** Goes into every safetensors header; text only. */
  readonly metadata?: Readonly<Record<string, string>>;
}

const shardPattern = /^model-(engram-)?\d+-of-\d+\.safetensors$/;

/** Names that a model is written under. */
function isModelFile(name: string): boolean {
  return shardPattern.test(name) || Object.values<string>(modelNames).includes(name);
}

/**
 * Writes a model into `directory`, over the one that is there, if any: a reader finds the old model
 * or the new one, never parts of both, whenever the writer is killed. Throws `StoreError` when the
 * disk is full; the old model is then as it was.
 */
export async function writeModelDir(directory: string, files: ModelToWrite): Promise<void> {
  const { config, generationConfig, tokenizer, weights, tables = [] } = files;
  const { chatTemplate, certificate, corpus } = files;
  // Hugging Face's loader refuses a file that does not say for which framework it was written.
  const metadata = { format: "pt", ...files.metadata };
  await publishFiles(directory, {
    owns: isModelFile,
    write: async (staging) => {
      const index: Record<string, string> = {};
      let totalBytes = 0;
      const writeShard = async (name: string, sources: readonly TensorSource[]): Promise<void> => {
        const header = await writeSafetensors(join(staging, name), sources, metadata);
        for (const span of header.tensors.values()) index[span.name] = name;
        totalBytes += header.fileBytes - header.dataBegin;
      };
      const shards = weightShards(weights, { metadata, most: files.weightFileBytes });
      if (shards.length === 1) await writeShard(modelNames.weights, weights);
      else
        for (const [i, shard] of shards.entries())
          await writeShard(shardName("model", i + 1, shards.length), shard);
      for (const [i, table] of tables.entries())
        await writeShard(shardName("model-engram", i + 1, tables.length), table);
      const isSplit = shards.length > 1 || tables.length > 0;
      const places = { metadata: { total_size: totalBytes }, weight_map: index };
      const small: [name: string, contents: string | Uint8Array | undefined][] = [
        [modelNames.index, isSplit ? jsonText(places) : undefined],
        [modelNames.config, jsonText(config)],
        [modelNames.generation, generationConfig && jsonText(generationConfig)],
        [modelNames.tokenizer, tokenizer],
        [modelNames.chatTemplate, chatTemplate],
        [modelNames.certificate, certificate && jsonText(certificate)],
        [modelNames.corpus, corpus],
      ];
      for (const [name, contents] of small)
        if (contents !== undefined)
          await writeDurably(join(staging, name), (file) => file.writeFile(contents));
      const others = new Map<string, FileRecord>();
      for (const name of files.beside ?? [])
        others.set(name, await recordOfFile(join(directory, name)));
      await writeManifest(staging, await filesIn(staging), others);
    },
  });
}

/** Where the files of a model directory are to be read; see `placeFiles`. */
export function modelPlaces(directory: string): Promise<(name: string) => string | undefined> {
  return placeFiles(directory, isModelFile);
}

/** Weights in their order, as many in a file as it may hold, its header included: at least one. */
function weightShards(
  weights: readonly TensorSource[],
  {
    metadata,
    most = Infinity,
  }: { metadata: Readonly<Record<string, string>>; most?: number | undefined },
): TensorSource[][] {
  if (most === Infinity) return [[...weights]];
  const shards: TensorSource[][] = [[]];
  for (const source of weights) {
    const last = shards.at(-1)!;
    const { fileBytes } = layoutFile([...last, source], metadata).header;
    if (last.length > 0 && fileBytes > most) shards.push([source]);
    else last.push(source);
  }
  return shards;
}

function shardName(kind: string, number: number, count: number): string {
  return `${kind}-${fiveDigits(number)}-of-${fiveDigits(count)}.safetensors`;
}

function fiveDigits(n: number): string {
  return String(n).padStart(5, "0");
}

function jsonText(value: JsonObject): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
