/**
 * Weights that rest as numbers, in the layout of their family: files -> weights by their names here; `stored-sources.ts` is the
 * way back. One tensor of the files is in memory at a time. Knows layouts and element types; not what a weight is for, nor packing.
 */
import {
  checkTensor,
  type ExpectedTensor,
  type LocatedTensor,
  type ModelFiles,
  type TensorSource,
} from "./checkpoint/index.ts";
import { FormatError, NonFiniteError } from "./errors.ts";
import { type ParamSpec, type StoredTensor } from "./model/index.ts";
import {
  decodeBf16Array,
  decodeF16Array,
  decodeGgmlBlocks,
  firstNonFinite,
  isBlockType,
  type GgmlBlockType,
  ggmlTypes,
} from "./numerics/index.ts";
import { sizeOf } from "./tensor/index.ts";

/** How weights that are not packed are stored. */
export type NumberFormat = "f32" | "bf16";

/** Element types that are read as numbers. */
export const NUMBERS: readonly LocatedTensor["dtype"][] = [
  "F32",
  "BF16",
  "F16",
  ...(Object.keys(ggmlTypes) as GgmlBlockType[]),
];

/** A tensor of the layout, and where it is: more than once where one of its names may be left out. */
export interface FoundTensor {
  readonly stored: StoredTensor;
  readonly found: readonly LocatedTensor[];
}

/** Throws `FormatError` for one that is missing, or of another type or shape. */
export function findStored(
  path: string,
  layout: readonly StoredTensor[],
  tensors: ReadonlyMap<string, LocatedTensor>,
): FoundTensor[] {
  return layout.map((stored) => {
    const { names, shape } = stored;
    const is = (name: string): ExpectedTensor => ({ name, dtypes: NUMBERS, shape });
    const found = new Map<string, LocatedTensor>();
    for (const name of names) {
      const one = tensors.get(name);
      if (one !== undefined) found.set(one.name, checkTensor(path, one, is(name)));
    }
    if (found.size === 0) checkTensor(path, undefined, is(names[0]!));
    return { stored, found: [...found.values()] };
  });
}

/**
 * Reads the weights of a tensor. `place` says where the numbers of each go. Throws `NonFiniteError` for those that are
 * none, and `FormatError` where its two names stand for different numbers.
 */
export async function readStored(
  files: ModelFiles,
  { stored, found }: FoundTensor,
  place: (spec: ParamSpec) => Float32Array,
): Promise<void> {
  const [first, ...others] = found as [LocatedTensor, ...LocatedTensor[]];
  for (const other of others) await checkSame(files, first, other);
  const into = stored.parts.map(({ spec }) => place(spec));
  const isPlain = into.length === 1 && !stored.isTransposed;
  const read = isPlain ? into[0]! : new Float32Array(sizeOf(stored.shape));
  await readNumbers(files, first, read);
  checkFinite(files.path, first, read);
  if (isPlain) return;
  const values = stored.isTransposed ? transposed(read, stored.shape) : read;
  for (const { part, from, at, count } of runsOf(stored))
    into[part]!.set(values.subarray(at, at + count), from);
}

/** How those of a model are stored; what is neither is kept in full. */
export function numberFormatOf([first]: readonly FoundTensor[]): NumberFormat {
  return first?.found[0]?.dtype === "BF16" ? "bf16" : "f32";
}

/** The numbers of a tensor as [out, in], run by run: `count` from `at` on are those of a part from `from` on. */
export function* runsOf({
  parts,
  shape,
}: StoredTensor): Generator<{ part: number; from: number; at: number; count: number }> {
  const counts = parts.map(({ spec, run }) => (run * sizeOf(spec.shape)) / spec.shape[0]!);
  const total = sizeOf(shape);
  for (let turn = 0, at = 0; at < total; turn++)
    for (const [part, count] of counts.entries()) {
      yield { part, from: turn * count, at, count };
      at += count;
    }
}

/** Checked once at load, when the numbers are in the processor's caches anyway. */
export function checkFinite(
  path: string,
  { name, shape }: Pick<TensorSource, "name" | "shape">,
  values: Float32Array,
): void {
  const at = firstNonFinite(values);
  if (at === -1) return;
  const place: number[] = [];
  let rest = at;
  for (const side of shape.toReversed()) {
    place.unshift(rest % side);
    rest = Math.floor(rest / side);
  }
  throw new NonFiniteError(
    `${path}: "${name}" holds ${values[at]} at [${place.join(", ")}] of [${shape.join(", ")}]; ` +
      "the file is damaged, or training went on after its numbers had overflowed",
  );
}

/** [rows, columns] -> [columns, rows] */
export function transposed(values: Float32Array, shape: readonly number[]): Float32Array {
  const [rows, columns] = shape as [number, number];
  const out = new Float32Array(values.length);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++)
      out[column * rows + row] = values[row * columns + column]!;
  return out;
}

async function readNumbers(
  files: ModelFiles,
  { name, dtype }: LocatedTensor,
  into: Float32Array,
): Promise<void> {
  if (dtype === "F32") {
    const bytes = new Uint8Array(into.buffer, into.byteOffset, into.byteLength);
    await files.readRange(name, { begin: 0, end: bytes.length, into: bytes });
    return;
  }
  const bytes = await files.read(name);
  if (dtype === "BF16") decodeBf16Array(new Uint16Array(bytes.buffer), into);
  else if (dtype === "F16") decodeF16Array(new Uint16Array(bytes.buffer), into);
  else if (isBlockType(dtype)) await decodeGgmlBlocks(dtype, bytes, into);
}

/** A tied weight may be there under both of its names, but is one weight. */
async function checkSame(
  files: ModelFiles,
  one: LocatedTensor,
  other: LocatedTensor,
): Promise<void> {
  if (one.dtype === other.dtype && (await isSame(files, one, other))) return;
  throw new FormatError(
    `${files.path}: config.json says tie_word_embeddings, but "${one.name}" and "${other.name}" are not the same ` +
      "numbers; either would give another model's answers",
  );
}

/** Bytes compared at a time. */
const COMPARED_BYTES = 1 << 20;

async function isSame(
  files: ModelFiles,
  one: LocatedTensor,
  other: LocatedTensor,
): Promise<boolean> {
  const size = one.end - one.begin;
  for (let begin = 0; begin < size; begin += COMPARED_BYTES) {
    const end = Math.min(size, begin + COMPARED_BYTES);
    const [ours, theirs] = [new Uint8Array(end - begin), new Uint8Array(end - begin)] as const;
    await files.readRange(one.name, { begin, end, into: ours });
    await files.readRange(other.name, { begin, end, into: theirs });
    if (ours.some((byte, i) => byte !== theirs[i])) return false;
  }
  return true;
}
