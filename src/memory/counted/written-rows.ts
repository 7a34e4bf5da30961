/**
 * Walks over rows that this process wrote (`write-rows.ts`): nothing is checked. Rows of files are read by `RowScanner`.
 * Knows bytes; no counts, no probabilities.
 *
 * Rows are many and short: millions a second. So loops here and at its callers keep to local numbers, and call nothing
 * that the compiler does not put in their place; as methods of a reader they took two to four times as long.
 */
import { idBytesOf, SINGLE } from "./row-bytes.ts";

/** The number at a place. As short as it can be written: `varintBytes` of it is its length. */
export function varintAt(bytes: Uint8Array, at: number): number {
  const byte = bytes[at]!;
  return byte < 128 ? byte : longVarintAt(bytes, at);
}

function longVarintAt(bytes: Uint8Array, at: number): number {
  let value = 0;
  for (let [i, factor] = [at, 1]; ; i++, factor *= 128) {
    const byte = bytes[i]!;
    value += (byte & 127) * factor;
    if (byte < 128) return value;
  }
}

export interface RowVisitor {
  visit(bytes: Uint8Array, from: number, end: number): void;
}

/** Rows, shorter contexts before the longer that end in them. Holds those of one last id. */
export class RowGroups {
  readonly #idBytes: number;
  readonly #visitor: RowVisitor;
  #starts = new Int32Array(2 ** 12);
  #ends = new Int32Array(2 ** 12);
  #size = 0;
  /** Segments that the rows began in before the present one, and how many rows there are up to the end of each. */
  #before: { readonly segment: Uint8Array; readonly to: number }[] = [];

  constructor(vocabSize: number, visitor: RowVisitor) {
    this.#idBytes = idBytesOf(vocabSize);
    this.#visitor = visitor;
  }

  /** Segments come in the order in which they were written (`RowCount`). */
  add(segment: Uint8Array): void {
    const { length } = segment;
    const idBytes = this.#idBytes;
    for (let from = 0; from < length;) {
      const first = segment[from]!;
      const depth = first & (SINGLE - 1);
      let at = from + 1 + depth * idBytes;
      if (first >= SINGLE) at += idBytes;
      else {
        const size = varintAt(segment, at);
        while (segment[at++]! >= 128);
        at += size;
      }
      if (this.#size === this.#starts.length) this.#grow();
      this.#starts[this.#size] = from;
      this.#ends[this.#size++] = at;
      from = at;
      // A row is visited behind those that it is the context of. They end with the row of one id.
      if (depth === 1) this.#visit(segment);
    }
    if (this.#size > 0) this.#before.push({ segment, to: this.#size });
  }

  #visit(segment: Uint8Array): void {
    const [starts, ends, visitor] = [this.#starts, this.#ends, this.#visitor];
    let i = this.#size - 1;
    let of = segment;
    for (;;) {
      const before = this.#before.pop();
      for (const to = before?.to ?? 0; i >= to; i--) visitor.visit(of, starts[i]!, ends[i]!);
      if (before === undefined) break;
      of = before.segment;
    }
    this.#size = 0;
  }

  #grow(): void {
    const [starts, ends] = [this.#starts, this.#ends];
    this.#starts = new Int32Array(2 * starts.length);
    this.#ends = new Int32Array(2 * starts.length);
    this.#starts.set(starts);
    this.#ends.set(ends);
  }
}
