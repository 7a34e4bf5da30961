/**
 * Makes directories in the layout of DeepSeek-V4.1-Flash's checkpoint (config, index, safetensors shards), of any
 * number of rows, sparse, for tests. Writes every byte by itself, from the format's description: shares no code
 * with what reads them. Rows are made up from their number.
 */
import { type FileHandle, open, writeFile } from "node:fs/promises";
import { join } from "node:path";

export interface ReleasedSizes {
  readonly layerIds: readonly number[];
  readonly numRows: readonly number[];
  /** `engram_vocab_size`. */
  readonly base: number;
  readonly compressedVocab: number;
}

export const releasedSizes: ReleasedSizes = {
  layerIds: [1, 14],
  numRows: [384_006_168, 384_016_682],
  base: 16_000_000,
  compressedVocab: 99_092,
};

const headDim = 256;
const scalesPerRow = 8;

/** The bytes of a made-up row: no NaN code, scales around 1. */
export function madeUpRow(row: number): { codes: Uint8Array; scales: Uint8Array } {
  const byte = (i: number): number => Math.imul(row + 7, 2654435761 + 2 * i + (row >>> 16)) >>> 24;
  return {
    codes: Uint8Array.from({ length: headDim }, (_, i) => byte(i) & 0xfe),
    scales: Uint8Array.from({ length: scalesPerRow }, (_, i) => 120 + (byte(300 + i) & 15)),
  };
}

/** What a made-up row means: value = code times 2^(scale - 127). */
export function madeUpValues(row: number): Float64Array {
  const { codes, scales } = madeUpRow(row);
  return Float64Array.from(codes, (code, i) => {
    const exponent = (code >> 3) & 15;
    const mantissa = code & 7;
    const magnitude = exponent === 0 ? mantissa / 512 : (1 + mantissa / 8) * 2 ** (exponent - 7);
    return (code & 0x80 ? -magnitude : magnitude) * 2 ** (scales[i >> 5]! - 127);
  });
}

/** `rows[layer]` are the rows that are written; all others are holes. */
export async function writeReleasedDirectory(
  directory: string,
  { sizes, rows }: { sizes: ReleasedSizes; rows: ReadonlyMap<number, Iterable<number>> },
): Promise<void> {
  const { layerIds, numRows, base, compressedVocab } = sizes;
  const config = {
    model_type: "deepseek_v41",
    image_token_id: 129264,
    text_config: {
      vocab_size: 129280,
      hidden_size: 5120,
      num_hidden_layers: 40,
      engram_layer_ids: layerIds,
      engram_num_embeddings: numRows,
      engram_max_ngram_size: 4,
      engram_vocab_size: base,
      engram_n_heads: 8,
      engram_head_dim: headDim,
      engram_pad_token_id: 2,
      engram_compressed_vocab_size: compressedVocab,
    },
  };
  await writeFile(join(directory, "config.json"), JSON.stringify(config));
  // The backbone's shards are named and are not there: nobody may open them.
  const weightMap: Record<string, string> = {
    "embed.weight": "model-00001-of-00048.safetensors",
    "layers.1.attn.wq_a.weight": "model-00002-of-00048.safetensors",
  };
  for (const [i, layer] of layerIds.entries()) {
    const shard = `model-000${48 - layerIds.length + 1 + i}-of-00048.safetensors`;
    await writeShard(join(directory, shard), {
      layer,
      numRows: numRows[i]!,
      rows: rows.get(layer) ?? [],
    });
    for (const part of ["embed.weight", "embed.scale", "wkv.scale", "q_weight"])
      weightMap[`layers.${layer}.engram.${part}`] = shard;
  }
  await writeFile(
    join(directory, "model.safetensors.index.json"),
    JSON.stringify({ metadata: { total_size: 0 }, weight_map: weightMap }),
  );
}

async function writeShard(
  path: string,
  { layer, numRows, rows }: { layer: number; numRows: number; rows: Iterable<number> },
): Promise<void> {
  const parts: [name: string, dtype: string, shape: number[], bytes: number][] = [
    ["q_weight", "BF16", [4, 16], 128],
    ["embed.weight", "F8_E4M3", [numRows, headDim], numRows * headDim],
    ["wkv.scale", "F8_E8M0", [3, 5], 15],
    ["embed.scale", "F8_E8M0", [numRows, scalesPerRow], numRows * scalesPerRow],
  ];
  const header: Record<string, unknown> = { __metadata__: { format: "pt" } };
  const begins = new Map<string, number>();
  let at = 0;
  for (const [name, dtype, shape, bytes] of parts) {
    header[`layers.${layer}.engram.${name}`] = { dtype, shape, data_offsets: [at, at + bytes] };
    begins.set(name, at);
    at += bytes;
  }
  const json = Buffer.from(JSON.stringify(header));
  const start = Buffer.alloc(8);
  start.writeBigUInt64LE(BigInt(json.length));
  const file = await open(path, "w");
  try {
    await file.write(start, 0, 8, 0);
    await file.write(json, 0, json.length, 8);
    const dataAt = 8 + json.length;
    await file.truncate(dataAt + at);
    for (const row of rows) {
      const { codes, scales } = madeUpRow(row);
      await put(file, codes, dataAt + begins.get("embed.weight")! + row * headDim);
      await put(file, scales, dataAt + begins.get("embed.scale")! + row * scalesPerRow);
    }
  } finally {
    await file.close();
  }
}

async function put(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  await file.write(bytes, 0, bytes.length, position);
}
