/**
 * A file on a disk that loses power: writes are certain only once synced; in a crash each one since then
 * arrives whole, in part (sector by sector) or not at all, in any order. May also be full. For tests of
 * what survives.
 */
import { Random } from "../src/numerics/index.ts";
import type { PositionalFile } from "../src/memory/stores/out-of-core/node/index.ts";

const SECTOR = 512;

interface Pending {
  readonly position: number;
  readonly bytes: Uint8Array;
}

export class SimulatedDisk {
  bytes: Uint8Array = new Uint8Array(1 << 20);
  size: number = 0;
  /** Bytes that fit; a write beyond fails as a full disk does. */
  capacity: number = Infinity;
  #durable: Uint8Array = new Uint8Array(1 << 20);
  #durableSize = 0;
  #pending: Pending[] = [];
  /** Files opened before a crash belong to a process that is gone. */
  #life = 0;

  constructor(copyOf?: SimulatedDisk) {
    if (copyOf === undefined) return;
    this.bytes = copyOf.bytes.slice();
    this.size = copyOf.size;
  }

  open(): PositionalFile {
    const life = this.#life;
    const checkAlive = async (): Promise<void> => {
      await new Promise((resolve) => setImmediate(resolve));
      // A dead process' calls never end; its promises are forgotten.
      if (life !== this.#life) await new Promise(() => undefined);
    };
    return {
      read: async (into, position) => {
        await checkAlive();
        if (position + into.length > this.size) throw new Error(`the file ends at ${this.size}`);
        into.set(this.bytes.subarray(position, position + into.length));
      },
      write: async (bytes, position) => {
        const copy = bytes.slice();
        await checkAlive();
        if (position + copy.length > this.capacity)
          throw Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" });
        this.bytes.set(copy, position);
        this.size = Math.max(this.size, position + copy.length);
        this.#pending.push({ position, bytes: copy });
      },
      sync: async () => {
        await checkAlive();
        this.#durable.set(this.bytes.subarray(0, this.size));
        this.#durableSize = this.size;
        this.#pending = [];
      },
      size: async () => {
        await checkAlive();
        return this.size;
      },
      close: async () => undefined,
    };
  }

  crash(seed: number): void {
    const random = Random.fromSeed(seed, "crash");
    this.#life++;
    for (const { position, bytes } of this.#pending.toSorted(() => random.uniform() - 0.5)) {
      const fate = random.uniform();
      if (fate < 0.3) continue;
      for (let at = 0; at < bytes.length;) {
        const end = Math.min(bytes.length, at + SECTOR - ((position + at) % SECTOR));
        if (fate > 0.7 || random.uniform() < 0.5) {
          this.#durable.set(bytes.subarray(at, end), position + at);
          this.#durableSize = Math.max(this.#durableSize, position + end);
        }
        at = end;
      }
    }
    this.#pending = [];
    this.bytes = this.#durable.slice();
    this.size = this.#durableSize;
  }
}
