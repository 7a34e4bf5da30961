/** Bytes that native code reads and writes: outside V8's heap, where nothing moves them. Knows no calls. */
import { koffi } from "./ffi.ts";

export type Address = bigint;

/** Off-heap bytes whose address never changes. They live as long as the object is reachable. */
export class Pinned {
  readonly bytes: Uint8Array<ArrayBuffer>;
  #address: Address | undefined;

  constructor(length: number) {
    this.bytes = new Uint8Array(Math.max(length, 128));
  }

  /** Computed at first use, because constants of this class are created even where koffi cannot be loaded. */
  get address(): Address {
    return (this.#address ??= koffi.address(this.bytes) as Address);
  }

  static text(value: string): Pinned {
    const encoded = new TextEncoder().encode(value);
    const p = new Pinned(encoded.length + 1);
    p.bytes.set(encoded);
    return p;
  }

  static addresses(values: readonly Address[]): Pinned {
    const p = new Pinned(8 * values.length);
    new BigUint64Array(p.bytes.buffer).set(values);
    return p;
  }
}
