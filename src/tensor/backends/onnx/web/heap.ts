// oxlint-disable no-underscore-dangle -- the module's own names
/**
 * The memory of ONNX Runtime's build for WebAssembly: 32-bit addresses in one `WebAssembly.Memory`. Hands it out as
 * typed arrays, and knows where other arrays overlap. Knows addresses; nothing of sessions, tensors or runs.
 *
 * In this build the memory is shared on every platform. So its views stay valid when it grows.
 */
import { BackendError } from "../../../../errors.ts";
import { dataFor } from "../../../backend.ts";
import type { TensorData } from "../../../graph.ts";
import type { DType } from "../../../ops.ts";
import type { Span } from "../aliasing.ts";

/**
 * What is used of the module that `ort-wasm-simd-threaded.mjs` (onnxruntime-web 1.30) makes. Addresses and handles are
 * numbers; a result that is not zero is an error where nothing is created, and zero is one where something is.
 */
export interface OrtModule {
  readonly HEAPU8: Uint8Array;
  readonly HEAPU32: Uint32Array;
  _malloc(bytes: number): number;
  _free(address: number): void;
  getValue(address: number, type: "*" | "i32"): number;
  stringToUTF8(text: string, address: number, most: number): void;
  lengthBytesUTF8(text: string): number;
  UTF8ToString(address: number): string;
  _OrtInit(threads: number, logLevel: number): number;
  _OrtGetLastError(code: number, message: number): number;
  _OrtCreateSessionOptions(
    optimization: number,
    arena: boolean,
    pattern: boolean,
    executionMode: number,
    profiling: boolean,
    profilePrefix: number,
    logId: number,
    logLevel: number,
    verbosity: number,
    optimizedPath: number,
  ): number;
  _OrtReleaseSessionOptions(options: number): number;
  _OrtCreateSession(model: number, bytes: number, options: number): number | Promise<number>;
  _OrtReleaseSession(session: number): number;
  _OrtCreateTensor(
    type: number,
    data: number,
    bytes: number,
    dims: number,
    rank: number,
    location: number,
  ): number;
  _OrtReleaseTensor(tensor: number): number;
  _OrtCreateRunOptions(logLevel: number, verbosity: number, stop: boolean, tag: number): number;
  _OrtReleaseRunOptions(options: number): number;
  _OrtRun(
    session: number,
    inputNames: number,
    inputs: number,
    inputCount: number,
    outputNames: number,
    outputCount: number,
    outputs: number,
    options: number,
  ): number | Promise<number>;
  /** Builds for WebGPU have these; what may wait for the device returns promises there. */
  webgpuInit?(setDevice: (device: object) => void): void;
  webgpuRegisterDevice?(): unknown;
  webgpuOnCreateSession?(session: number): void;
  webgpuOnReleaseSession?(session: number): void;
  webgpuRegisterBuffer?(buffer: object, session: number): number;
  webgpuUnregisterBuffer?(buffer: object): void;
  _OrtAppendExecutionProvider?(
    options: number,
    name: number,
    keys: number,
    values: number,
    count: number,
  ): number | Promise<number>;
}

/** The engine's addresses end here. */
const ADDRESS_SPACE = 2 ** 32;

/** The engine's memory. */
export class Heap {
  readonly module: OrtModule;
  /** Every buffer that has stood for the memory: growth makes a new one over the same bytes. */
  readonly #buffers = new WeakSet<ArrayBufferLike>();
  /** What was handed out, by address. */
  readonly #lent = new Map<number, { readonly bytes: number; readonly data: WeakRef<object> }>();
  readonly #collected = new FinalizationRegistry<number>((address) => {
    this.#lent.delete(address);
    this.module._free(address);
  });
  /** Other buffers, as if each lay behind the memory at an address of its own. */
  readonly #elsewhere = new WeakMap<ArrayBufferLike, bigint>();
  #nextElsewhere = BigInt(ADDRESS_SPACE);
  /** Ends when the call that was last in turn has returned. */
  #last: Promise<void> = Promise.resolve();

  constructor(module: OrtModule) {
    this.module = module;
  }

  /** To be freed. Never zero. */
  malloc(bytes: number): number {
    const address = bytes < ADDRESS_SPACE ? this.module._malloc(Math.max(bytes, 1)) : 0;
    if (address === 0)
      throw new BackendError(
        `the engine has no room for another ${bytes} bytes: in WebAssembly, weights and texts share 4 GiB`,
      );
    return address;
  }

  /** `length` bytes from `address` on. Do not keep it. */
  bytes(address: number, length: number): Uint8Array {
    // Where another thread made it grow, the module notices at its next look into memory.
    if (address + length > this.module.HEAPU8.length) this.module.getValue(address, "i32");
    this.#buffers.add(this.module.HEAPU8.buffer);
    return new Uint8Array(this.module.HEAPU8.buffer, address, length);
  }

  /** Freed when the array that is returned is collected: whoever keeps a part of it keeps it whole (`ownerOf`). */
  allocate(dtype: DType, length: number): TensorData {
    const { BYTES_PER_ELEMENT, constructor } = dataFor(dtype, 0);
    const bytes = length * BYTES_PER_ELEMENT;
    const address = this.malloc(bytes);
    const zeroed = this.bytes(address, bytes).fill(0);
    const Data = constructor as new (buffer: ArrayBufferLike, at: number, n: number) => TensorData;
    const data = new Data(zeroed.buffer, address, length);
    this.#lent.set(address, { bytes, data: new WeakRef(data) });
    this.#collected.register(data, address);
    return data;
  }

  has({ buffer }: ArrayBufferView): boolean {
    return this.#buffers.has(buffer);
  }

  /** The array that `allocate` has returned, of which `view` is a part. */
  ownerOf(view: ArrayBufferView): object {
    for (const [address, { bytes, data }] of this.#lent)
      if (view.byteOffset >= address && view.byteOffset + view.byteLength <= address + bytes) {
        const owner = data.deref();
        if (owner !== undefined) return owner;
      }
    throw new BackendError("a value lies in memory of the engine that was given back");
  }

  spanOf(view: ArrayBufferView): Span {
    const { buffer, byteOffset, byteLength } = view;
    if (byteLength === 0) return { start: 0n, end: 0n };
    let base = this.has(view) ? 0n : this.#elsewhere.get(buffer);
    if (base === undefined) {
      base = this.#nextElsewhere;
      this.#nextElsewhere += BigInt(buffer.byteLength);
      this.#elsewhere.set(buffer, base);
    }
    const start = base + BigInt(byteOffset);
    return { start, end: start + BigInt(byteLength) };
  }

  /** A copy of `words`, to be freed. */
  words(words: readonly number[]): number {
    const address = this.malloc(4 * words.length);
    const bytes = this.bytes(address, 4 * words.length);
    new Uint32Array(bytes.buffer, address, words.length).set(words);
    return address;
  }

  /** A C string, to be freed. */
  text(text: string): number {
    const bytes = this.module.lengthBytesUTF8(text) + 1;
    const address = this.malloc(bytes);
    this.bytes(address, bytes);
    this.module.stringToUTF8(text, address, bytes);
    return address;
  }

  free(...addresses: number[]): void {
    for (const address of addresses) this.module._free(address);
  }

  /** Throws with the engine's own message unless a call has worked. */
  check(what: string, isDone: boolean): void {
    if (isDone) return;
    const at = this.malloc(8);
    this.module._OrtGetLastError(at, at + 4);
    const message = this.module.getValue(at + 4, "*");
    const text = message === 0 ? "it does not say why" : this.module.UTF8ToString(message);
    this.free(at);
    throw new BackendError(`ONNX Runtime could not ${what}: ${text}`);
  }

  /** What a call returns that creates something. */
  created(what: string, call: (module: OrtModule) => number): number {
    const handle = this.guarded(what, call);
    this.check(what, handle !== 0);
    return handle;
  }

  /**
   * One call after another: where a call may wait for a device, the engine's stack in memory is not another's until it
   * has returned.
   */
  async inTurn(
    what: string,
    call: (module: OrtModule) => number | Promise<number>,
  ): Promise<number> {
    const before = this.#last;
    let ends = (): void => undefined;
    this.#last = new Promise<void>((resolve) => (ends = resolve));
    await before;
    try {
      return await call(this.module);
    } catch (cause) {
      throw failure(what, cause);
    } finally {
      ends();
    }
  }

  guarded(what: string, call: (module: OrtModule) => number): number {
    try {
      return call(this.module);
    } catch (cause) {
      throw failure(what, cause);
    }
  }
}

/** An engine that ran out of memory throws numbers. */
function failure(what: string, cause: unknown): BackendError {
  if (cause instanceof BackendError) return cause;
  const said = cause instanceof Error ? cause.message : `error ${String(cause)}`;
  return new BackendError(`ONNX Runtime could not ${what}: ${said}`, { cause });
}
