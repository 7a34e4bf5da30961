/**
 * The fast backend on Node: ONNX Runtime through its C interface. Inputs are read and outputs written directly in the
 * caller's memory, and runs happen on a worker thread.
 */
import { type Backend, dataFor } from "../../../backend.ts";
import type { TensorData } from "../../../graph.ts";
import type { DType } from "../../../ops.ts";
import type { Span } from "../aliasing.ts";
import type { RowBlocks } from "../blocked.ts";
import { type NamedTensor, ortDriver, type OrtRuntime } from "../ort-driver.ts";
import { findRowBlocks } from "../row-block.ts";
import { addedMemory, type MemoryRange, mergePages, ownMemory } from "./huge-pages.ts";
import {
  NativeSession,
  NativeTensor,
  openRuntime,
  PackedConstants,
  type RuntimeOptions,
  spanOf,
  startRuntime,
} from "./ort-c-api.ts";

/** `threads`: size of the thread pool of the process, fixed by its first user. Absent: any number is fine. */
export type NativeBackendOptions = RuntimeOptions;

/** ONNX Runtime with in-place outputs and asynchronous runs; or the reason why its library cannot be used. */
export function nativeBackend(options: NativeBackendOptions): Backend | string {
  return openRuntime(options) ?? ortDriver("onnx", openNative);
}

async function openNative(): Promise<OrtRuntime> {
  await startRuntime();
  return new NativeRuntime();
}

/**
 * Moving 100 MiB takes a tenth of a second and more of the processor: the first answer, and a process that ends soon, shall
 * not pay for it.
 */
const MERGED_AFTER_MS = 1000;

function mergeLater(ranges: readonly MemoryRange[]): void {
  setTimeout(() => void mergePages(ranges), MERGED_AFTER_MS).unref();
}

/** Its sessions share repacked constants for as long as there are any. */
class NativeRuntime implements OrtRuntime {
  readonly constants = "external";
  #numSessions = 0;
  #packed: PackedConstants | undefined;

  rowBlocks(): Promise<RowBlocks | undefined> {
    return findRowBlocks(this);
  }

  reaches(): boolean {
    return true;
  }

  allocate(dtype: DType, length: number): TensorData {
    return dataFor(dtype, length);
  }

  spanOf(view: ArrayBufferView): Span {
    return spanOf(view);
  }

  tensor(data: ArrayBufferView, type: number, dims: readonly number[]): NativeTensor {
    return new NativeTensor(data, type, dims);
  }

  session(model: Uint8Array, constants: readonly NamedTensor<NativeTensor>[]): NativeSession {
    const packed = (this.#packed ??= new PackedConstants());
    this.#numSessions++;
    const onRelease = (): void => this.#released();
    const before = constants.length > 0 ? ownMemory() : [];
    try {
      const session = new NativeSession(model, { tensors: constants, packed, onRelease });
      // Repacked weights, which each step reads as a whole: with huge pages it takes 0.85 of the time (docs/results/2026-11-29-decode.md).
      if (before.length > 0) mergeLater(addedMemory(before, ownMemory()));
      return session;
    } catch (error) {
      for (const { tensor } of constants) tensor.release();
      this.#released();
      throw error;
    }
  }

  #released(): void {
    this.#numSessions--;
    if (this.#numSessions > 0) return;
    this.#packed?.release();
    this.#packed = undefined;
  }
}
