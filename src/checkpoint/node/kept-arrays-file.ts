/**
 * Arrays in one file, as they lie in memory. What is read is what was written, or nothing: a file of this user that
 * nobody else may write to, whole, with the sum that it says. Knows bytes; not what they stand for, nor whose they are.
 *
 * A safetensors file with a tensor for each stretch of memory, so that what lies side by side there lies so here. Its
 * metadata: "arrays", where which array lies (JSON), and "crc32" of that text and of all bytes behind the header.
 */
import { constants } from "node:fs";
import { chmod, type FileHandle, open } from "node:fs/promises";
import { crc32 } from "node:zlib";
import { FormatError } from "../../errors.ts";
import type { Arrays } from "../kept-arrays.ts";
import { headerEnd, parseHeader } from "../safetensors.ts";
import { tensorSource } from "../safetensors-file.ts";
import { writeSafetensors } from "./safetensors-file.ts";

/** Use is noted once a day, as the time of the file. */
const DAY_MS = 86_400_000;

type Bytes = Uint8Array | Float32Array;

/** All stretches of memory in which arrays lie, each once, in the order of safetensors files. */
export function stretchesOf(arrays: Arrays): Bytes[] {
  const found = new Map<ArrayBufferLike, Bytes>();
  for (const array of arrays.values()) {
    const whole = array instanceof Float32Array ? Float32Array : Uint8Array;
    if (!found.has(array.buffer)) found.set(array.buffer, new whole(array.buffer as ArrayBuffer));
  }
  const all = [...found.values()];
  return [...all.filter(isFloats), ...all.filter((one) => !isFloats(one))];
}

function isFloats(array: Bytes): array is Float32Array<ArrayBuffer> {
  return array instanceof Float32Array;
}

interface Placed {
  /** Type and length of each tensor of the file. */
  readonly tensors: readonly (readonly [dtype: "F32" | "U8", length: number])[];
  readonly arrays: Readonly<
    Record<string, readonly [tensor: number, first: number, length: number]>
  >;
}

const nameOf = (tensor: number): string => String(tensor).padStart(6, "0");

export async function writeArrays(path: string, arrays: Arrays): Promise<void> {
  const stretches = stretchesOf(arrays);
  const tensorOf = new Map(stretches.map(({ buffer }, i) => [buffer as ArrayBufferLike, i]));
  const placed: Placed = {
    tensors: stretches.map((one) => [isFloats(one) ? "F32" : "U8", one.length]),
    arrays: Object.fromEntries(
      [...arrays].map(([name, { buffer, byteOffset, BYTES_PER_ELEMENT, length }]) => [
        name,
        [tensorOf.get(buffer)!, byteOffset / BYTES_PER_ELEMENT, length],
      ]),
    ),
  };
  const json = JSON.stringify(placed);
  const sum = stretches.reduce((before, data) => sumOf(data, before), crc32(json));
  const tensors = stretches.map((data, i) => {
    const [dtype, length] = placed.tensors[i]!;
    return tensorSource({ name: nameOf(i), dtype, shape: [length] }, data);
  });
  await writeSafetensors(path, tensors, { crc32: String(sum), arrays: json });
  await chmod(path, 0o600);
}

/** An open file as memory; undefined where files cannot be mapped. */
export type MapFile = (file: number, bytes: number) => ArrayBuffer | undefined;

/** Undefined where there is nothing that may be used. */
export function readArrays(path: string): Promise<Arrays | undefined> {
  return arraysIn(path, readWhole);
}

/** The same as they lie in the file, which takes no memory that cannot be given back. Undefined where nothing is mapped, too. */
export function mapArrays(path: string, map: MapFile): Promise<Arrays | undefined> {
  return arraysIn(path, ({ fd }, size) => map(fd, size));
}

type Contents = ArrayBuffer | undefined;

async function arraysIn(
  path: string,
  contents: (file: FileHandle, size: number) => Contents | Promise<Contents>,
): Promise<Arrays | undefined> {
  let file: FileHandle;
  try {
    file = await open(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0));
  } catch {
    return undefined;
  }
  try {
    const { size, mode, uid, mtimeMs } = await file.stat();
    const isOurs = process.getuid === undefined || (uid === process.getuid() && !(mode & 0o022));
    const whole = isOurs ? await contents(file, size) : undefined;
    if (whole === undefined) return undefined;
    const arrays = parseArrays(new Uint8Array(whole));
    const now = new Date();
    if (now.getTime() - mtimeMs > DAY_MS) await file.utimes(now, now).catch(() => undefined);
    return arrays;
  } catch {
    // Damaged: it is written anew.
    return undefined;
  } finally {
    await file.close();
  }
}

async function readWhole(file: FileHandle, size: number): Promise<ArrayBuffer> {
  const whole = new Uint8Array(size);
  for (let at = 0; at < size;) {
    const { bytesRead } = await file.read(whole, at, Math.min(size - at, 2 ** 30), at);
    if (bytesRead === 0) throw new FormatError("the file ended");
    at += bytesRead;
  }
  return whole.buffer;
}

/** Throws for anything that `writeArrays` would not have written. */
function parseArrays(bytes: Uint8Array<ArrayBuffer>): Arrays {
  const header = parseHeader(bytes.subarray(0, headerEnd(bytes, bytes.length)), bytes.length);
  const { crc32: sum, arrays: json = "" } = Object.fromEntries(header.metadata);
  if (sum !== String(sumOf(bytes.subarray(header.dataBegin), crc32(json))))
    throw new FormatError("wrong sum");
  const placed = JSON.parse(json) as Placed;
  const spans = [...header.tensors.values()];
  for (const [i, { name, dtype, shape }] of spans.entries())
    if (name !== nameOf(i) || [dtype, shape].join() !== placed.tensors[i]?.join())
      throw new FormatError("the header was changed");
  return new Map(
    Object.entries(placed.arrays).map(([name, [tensor, first, length]]) => {
      const { dtype, begin } = spans[tensor]!;
      return [
        name,
        dtype === "F32"
          ? new Float32Array(bytes.buffer, begin + 4 * first, length)
          : new Uint8Array(bytes.buffer, begin + first, length),
      ];
    }),
  );
}

/** CRC-32 of zlib, whose code for it here reads 3 GB a second; `before` is that of the bytes before these. */
function sumOf({ buffer, byteOffset, byteLength }: ArrayBufferView, before: number): number {
  let sum = before;
  for (let at = 0; at < byteLength; at += 2 ** 30)
    sum = crc32(new Uint8Array(buffer, byteOffset + at, Math.min(2 ** 30, byteLength - at)), sum);
  return sum;
}
