/**
 * What `engram show` says of a directory in the layout of DeepSeek-V4.1-Flash: its memory, and where the tables
 * lie. Opens the files of the memory's tensors and no others: a directory that has only those will do.
 */
import { locateTables } from "../at-rest/index.ts";
import type { LocatedTensor, ModelFiles } from "../checkpoint/index.ts";
import type { EngramConfig } from "../memory/index.ts";

interface Place {
  readonly file: string;
  readonly begin: number;
  readonly end: number;
}

export interface ReleasedDocument {
  readonly model: string;
  readonly kind: unknown;
  readonly layout: "released";
  readonly memory: {
    readonly orders: readonly number[];
    readonly heads: number;
    readonly valuesPerRow: number;
    readonly rowBytes: number;
    readonly compressedVocab: number;
    /** Whether config.json has the constants, which are then the ones that follow from its other keys. */
    readonly hashConstants: "checked" | "computed";
    readonly layers: readonly {
      readonly layer: number;
      readonly rows: number;
      readonly bytes: number;
      readonly codes: Place;
      readonly scales: Place;
      /** The layer's other tensors that are there: wkv, gains. */
      readonly others: readonly (Place & { readonly name: string; readonly dtype: string })[];
    }[];
  };
}

export async function describeReleased(
  files: ModelFiles,
  engram: EngramConfig,
  { hasConstants }: { hasConstants: boolean },
): Promise<ReleasedDocument> {
  const layers = [];
  let rowBytes = 0;
  for (const { layerId, numRows, format, parts } of await locateTables(files, engram)) {
    const [codes, scales] = parts.map(({ tensor }) => tensor);
    ({ rowBytes } = format);
    const others = [];
    for (const part of ["wkv.weight", "wkv.scale", "q_weight", "k_weight"]) {
      const tensor = await files.find(`layers.${layerId}.engram.${part}`);
      if (tensor !== undefined)
        others.push({ name: tensor.name, dtype: tensor.dtype, ...placeOf(tensor) });
    }
    layers.push({
      layer: layerId,
      rows: numRows,
      bytes: numRows * rowBytes,
      codes: placeOf(codes!),
      scales: placeOf(scales!),
      others,
    });
  }
  return {
    model: files.path,
    kind: files.config["model_type"] ?? "unknown",
    layout: "released",
    memory: {
      orders: Array.from({ length: engram.maxNgramSize - 1 }, (_, i) => i + 2),
      heads: engram.numHeads,
      valuesPerRow: engram.headDim,
      rowBytes,
      compressedVocab: engram.compressedVocabSize,
      hashConstants: hasConstants ? "checked" : "computed",
      layers,
    },
  };
}

export function describeReleasedAsText({ model, kind, memory }: ReleasedDocument): string {
  const count = (n: number): string => n.toLocaleString("en-US");
  const lines = [
    `${model}: ${String(kind)}, tables in the released layout`,
    `n-grams of ${memory.orders.join(", ")}, ${memory.heads} heads each, over ` +
      `${count(memory.compressedVocab)} compressed ids; rows of ${memory.valuesPerRow} values, ` +
      `${memory.rowBytes} bytes (E4M3 codes and their scales)`,
    hashLine(memory.hashConstants),
  ];
  for (const { layer, rows, bytes, codes, scales, others } of memory.layers)
    lines.push(
      `layer ${layer}: ${count(rows)} rows, ${count(bytes)} bytes`,
      `  codes   ${placeText(codes)}`,
      `  scales  ${placeText(scales)}`,
      ...others.map((other) => `  ${other.name} (${other.dtype})  ${placeText(other)}`),
    );
  return `${lines.join("\n")}\n`;
}

export function hashLine(hashConstants: "checked" | "computed"): string {
  return hashConstants === "checked"
    ? "hash constants are stored in config.json and correct"
    : "no hash constants in config.json; they follow from its other keys";
}

function placeOf({ file, begin, end }: LocatedTensor): Place {
  return { file, begin, end };
}

function placeText({ file, begin, end }: Place): string {
  return `${file}, bytes ${begin} to ${end - 1}`;
}
