/**
 * A table in memory whose rows are copied by WebAssembly where that is available and pays, otherwise by loops. Knows no
 * more than `small-ram.ts`.
 */
import {
  LARGE_TABLE_BYTES,
  type RowMemory,
  SmallRamStore,
  type SmallRamStoreOptions,
} from "./small-ram.ts";
import { wasmCopier } from "./wasm-copier.ts";
import { createWasmRowCopy, type WasmMemory } from "./wasm-row-copy.ts";

export interface RamStoreOptions extends SmallRamStoreOptions {
  /** Default `LARGE_TABLE_BYTES`. `Infinity` turns WebAssembly off. */
  readonly wasmFromBytes?: number;
}

/** A table in RAM, and the usual store of one that fits. */
export class RamStore extends SmallRamStore {
  constructor({ wasmFromBytes = LARGE_TABLE_BYTES, ...options }: RamStoreOptions) {
    super(options, options.numRows * options.rowBytes < wasmFromBytes ? undefined : wasmMemory());
  }
}

/** Undefined where WebAssembly cannot do it. */
function wasmMemory(): RowMemory | undefined {
  const wasm = createWasmRowCopy();
  if (wasm === undefined) return undefined;
  const memories: WasmMemory[] = [];
  return {
    allocate(bytes) {
      const memory = wasm.allocate(bytes, { shared: true });
      memories.push(memory);
      return memory.buffer;
    },
    copier: (_, shape) => wasmCopier(memories, { wasm, ...shape }),
  };
}
