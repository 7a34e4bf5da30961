/**
 * How a table's rows are stored in a model directory: which tensors hold which bytes of a row. The element type of
 * the first tensor determines the row format. Knows names, types and sizes; reads nothing.
 *
 *   format  X.weight               X.scale
 *   f32     F32     [rows, d]
 *   bf16    BF16    [rows, d]
 *   fp8     F8_E4M3 [rows, d]      F8_E8M0 [rows, ceil(d/32)]    the released layout
 *   int8    I8      [rows, d]      BF16    [rows, 1]
 *   int4    U8      [rows, d/2]    BF16    [rows, ceil(d/32)]    two codes a byte, d/2 rounded up
 *
 * X is `model.layers.{L}.engram.embed`.
 */
import { elementBytes, type FileDType } from "../checkpoint/index.ts";
import type { RowFormat, RowFormatName } from "../memory/index.ts";
import { layerName } from "../model/index.ts";

/** A tensor that holds a part of each row. */
export interface TablePart {
  readonly name: string;
  readonly dtype: FileDType;
  /** Elements of a row. */
  readonly columns: number;
  /** Bytes of a row in this tensor: `from` inclusive, `to` exclusive. */
  readonly from: number;
  readonly to: number;
}

/** Element types of codes, and of scales if the format has some. */
const DTYPES: Readonly<Record<RowFormatName, readonly [FileDType, FileDType?]>> = {
  f32: ["F32"],
  bf16: ["BF16"],
  fp8: ["F8_E4M3", "F8_E8M0"],
  int8: ["I8", "BF16"],
  int4: ["U8", "BF16"],
};

/** The tensors of a layer's table, in the order of their bytes in a row. */
export function tableParts(layerId: number, format: RowFormat): readonly TablePart[] {
  const [rows, scales] = DTYPES[format.name];
  const { headDim, rowBytes } = format;
  const columns = format.name === "int4" ? Math.ceil(headDim / 2) : headDim;
  const to = columns * elementBytes[rows];
  const codes: TablePart = { name: tableName(layerId), dtype: rows, columns, from: 0, to };
  if (scales === undefined) return [codes];
  const width = (rowBytes - to) / elementBytes[scales];
  const scale = { name: scaleName(layerId), dtype: scales, columns: width, from: to, to: rowBytes };
  return [codes, scale];
}

/** Names of a layer's two tensors in DeepSeek-V4.1-Flash's checkpoint; no `model.` in front. */
export function releasedTensorNames(layerId: number): { codes: string; scales: string } {
  const embed = `layers.${layerId}.engram.embed`;
  return { codes: `${embed}.weight`, scales: `${embed}.scale` };
}

/** All tensors that a layer's table may have, whatever its format. */
export function tableNames(layerId: number): readonly string[] {
  return [tableName(layerId), scaleName(layerId)];
}

/** Tensor that holds a layer's rows or their codes. */
export function tableName(layerId: number): string {
  return layerName(layerId, "engram.embed.weight");
}

function scaleName(layerId: number): string {
  return layerName(layerId, "engram.embed.scale");
}

/** The format of rows whose tensor has elements of this type; undefined for types no format uses. */
export function formatOfTable(dtype: string): RowFormatName | undefined {
  return (Object.keys(DTYPES) as RowFormatName[]).find((name) => DTYPES[name][0] === dtype);
}
