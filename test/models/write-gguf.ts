/**
 * GGUF files for tests, right or wrong on purpose: written from the format's description, and by nothing of `src`.
 */

export type Setting =
  | readonly [type: "u8" | "u32" | "i32" | "f32" | "bool", value: number]
  | readonly [type: "u64", value: bigint]
  | readonly [type: "text", value: string]
  | readonly [type: "texts", value: readonly string[]]
  | readonly [type: "i32s" | "f32s", value: readonly number[]]
  /** The bytes after the type. */
  | readonly [type: number, value: Uint8Array];

export interface GgufTensorToWrite {
  readonly name: string;
  /** Fastest first, as the file has them. */
  readonly sides: readonly (number | bigint)[];
  /** GGML's number. */
  readonly type: number;
  readonly bytes: Uint8Array;
  /** Default: after the one before. */
  readonly offset?: number | bigint;
}

export interface GgufToWrite {
  readonly settings: Readonly<Record<string, Setting>>;
  readonly tensors?: readonly GgufTensorToWrite[];
  readonly version?: number;
  readonly numTensors?: bigint;
  readonly numSettings?: bigint;
  readonly alignment?: number;
}

const types = { u8: 0, u32: 4, i32: 5, f32: 6, bool: 7, text: 8, u64: 10 } as const;

export function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

export function u64(value: number | bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true);
  return bytes;
}

export function f32(...values: number[]): Uint8Array {
  return new Uint8Array(Float32Array.from(values).buffer);
}

export function text(value: string): Uint8Array {
  const bytes = new TextEncoder().encode(value);
  return join(u64(bytes.length), bytes);
}

export function join(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

function settingBytes([type, value]: Setting): Uint8Array {
  switch (type) {
    case "text":
      return join(u32(types.text), text(value as string));
    case "texts": {
      const texts = value as readonly string[];
      return join(u32(9), u32(types.text), u64(texts.length), ...texts.map(text));
    }
    case "i32s": {
      const numbers = value as readonly number[];
      const bytes = new Uint8Array(Int32Array.from(numbers).buffer);
      return join(u32(9), u32(types.i32), u64(numbers.length), bytes);
    }
    case "f32s": {
      const numbers = value as readonly number[];
      return join(u32(9), u32(types.f32), u64(numbers.length), f32(...numbers));
    }
    case "u8":
    case "bool":
      return join(u32(types[type]), Uint8Array.of(value as number));
    case "u32":
    case "i32":
      return join(u32(types[type]), u32((value as number) >>> 0));
    case "f32":
      return join(u32(types.f32), f32(value as number));
    case "u64":
      return join(u32(types.u64), u64(value as bigint));
    default:
      return join(u32(type), value as Uint8Array);
  }
}

export function ggufBytes({
  settings,
  tensors = [],
  version = 3,
  alignment = 32,
  numTensors = BigInt(tensors.length),
  numSettings = BigInt(Object.keys(settings).length),
}: GgufToWrite): Uint8Array {
  const pad = (bytes: Uint8Array): Uint8Array =>
    join(bytes, new Uint8Array(Math.ceil(bytes.length / alignment) * alignment - bytes.length));
  let at = 0;
  const infos = tensors.map(({ name, sides, type, bytes, offset = at }) => {
    at += pad(bytes).length;
    return join(text(name), u32(sides.length), ...sides.map(u64), u32(type), u64(offset));
  });
  const head = join(
    new TextEncoder().encode("GGUF"),
    u32(version),
    u64(numTensors),
    u64(numSettings),
    ...Object.entries(settings).map(([key, setting]) => join(text(key), settingBytes(setting))),
    ...infos,
  );
  return join(pad(head), ...tensors.map(({ bytes }) => pad(bytes)));
}
