/**
 * A store whose rows are the concatenation of rows of several stores: row r is row r of the first, then row r of the
 * second, and so on. For tables whose codes and scales are separate tensors. Read only; knows nothing of what the
 * parts hold.
 */
import { closeAll } from "../../../disposal-stack.ts";
import { InvalidConfigError } from "../../../errors.ts";
import { checkRead, type RowStore } from "../../store.ts";

export class SideBySideStore implements RowStore {
  readonly numRows: number;
  readonly rowBytes: number;
  readonly #parts: readonly RowStore[];
  #scratch = new Uint8Array(0);

  /** Owns `parts`: at least one, all with the same number of rows. */
  constructor(parts: readonly RowStore[]) {
    const sizes = new Set(parts.map(({ numRows }) => numRows));
    const [numRows] = sizes;
    if (numRows === undefined || sizes.size > 1)
      throw new InvalidConfigError(
        `parts of rows come from stores of as many rows as each other, got ${[...sizes].join(", ")}`,
      );
    this.#parts = parts;
    this.numRows = numRows;
    this.rowBytes = parts.reduce((sum, { rowBytes }) => sum + rowBytes, 0);
  }

  async read(rows: Uint32Array, into: Uint8Array): Promise<void> {
    checkRead(this, rows, into);
    const asked = rows.slice();
    const pieces = this.#parts.map(({ rowBytes }) => new Uint8Array(asked.length * rowBytes));
    // Waits for all of them, so that no read is in flight when this fails.
    const answers = await Promise.allSettled(
      this.#parts.map((part, i) => part.read(asked, pieces[i]!)),
    );
    for (const answer of answers) if (answer.status === "rejected") throw answer.reason;
    let at = 0;
    for (const [i, { rowBytes }] of this.#parts.entries()) {
      this.#dealOut(pieces[i]!, { into, at, rowBytes, count: asked.length });
      at += rowBytes;
    }
  }

  readNow(rows: Uint32Array, into: Uint8Array): boolean {
    checkRead(this, rows, into);
    let at = 0;
    for (const part of this.#parts) {
      const { rowBytes } = part;
      const bytes = rows.length * rowBytes;
      if (this.#scratch.length < bytes) this.#scratch = new Uint8Array(bytes);
      if (part.readNow?.(rows, this.#scratch) !== true) return false;
      this.#dealOut(this.#scratch, { into, at, rowBytes, count: rows.length });
      at += rowBytes;
    }
    return true;
  }

  async close(): Promise<void> {
    await closeAll(this.#parts);
  }

  #dealOut(
    from: Uint8Array,
    {
      into,
      at,
      rowBytes,
      count,
    }: { into: Uint8Array; at: number; rowBytes: number; count: number },
  ): void {
    for (let i = 0; i < count; i++)
      into.set(from.subarray(i * rowBytes, (i + 1) * rowBytes), i * this.rowBytes + at);
  }
}
