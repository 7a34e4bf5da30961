/**
 * Walks over rows that this process wrote (`write-rows.ts`): nothing is checked. Rows of files are read by `RowScanner`.
 * Knows bytes; no counts, no probabilities.
 */
import { idBytesOf, SINGLE } from "./row-bytes.ts";

/** A place in a row. */
export class WrittenRow {
  readonly #idBytes: number;
  #bytes: Uint8Array = new Uint8Array(0);
  isSingle = false;
  at = 0;

  constructor(vocabSize: number) {
    this.#idBytes = idBytesOf(vocabSize);
  }

  /** Moves to the context of the row at `from`, and returns its depth. */
  begin(bytes: Uint8Array, from: number): number {
    this.#bytes = bytes;
    const first = bytes[from]!;
    this.isSingle = first >= SINGLE;
    this.at = from + 1;
    return first & (SINGLE - 1);
  }

  /** Moves behind the context of the row at `from`, and behind the number of bytes that follow. Returns its depth. */
  open(bytes: Uint8Array, from: number): number {
    const depth = this.begin(bytes, from);
    this.at += depth * this.#idBytes;
    if (!this.isSingle) this.varint();
    return depth;
  }

  /** Where the row ends whose context was passed. */
  end(): number {
    if (this.isSingle) return this.at + this.#idBytes;
    const size = this.varint();
    return this.at + size;
  }

  /** Bytes of a row before its numbers. */
  contextBytes(depth: number): number {
    return 1 + depth * this.#idBytes;
  }

  id(): number {
    const bytes = this.#bytes;
    let id = bytes[this.at]! | (bytes[this.at + 1]! << 8);
    if (this.#idBytes === 3) id |= bytes[this.at + 2]! << 16;
    this.at += this.#idBytes;
    return id;
  }

  varint(): number {
    const bytes = this.#bytes;
    let byte = bytes[this.at++]!;
    if (byte < 128) return byte;
    let value = byte & 127;
    for (let factor = 128; ; factor *= 128) {
      byte = bytes[this.at++]!;
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  }

  skipSuccessor(): void {
    this.at += this.#idBytes;
    while (this.#bytes[this.at++]! >= 128);
  }
}

/** Rows are short: a loop is faster than a view of each. */
export function copyBytes(
  bytes: Uint8Array,
  { from, end, into, at }: { from: number; end: number; into: Uint8Array; at: number },
): void {
  if (end - from > 64) into.set(bytes.subarray(from, end), at);
  else for (let i = from; i < end; i++) into[at + i - from] = bytes[i]!;
}

export interface RowVisitor {
  visit(bytes: Uint8Array, from: number, end: number): void;
}

/** Rows, shorter contexts before the longer that end in them. Holds those of one last id. */
export class RowGroups {
  #starts = new Int32Array(2 ** 12);
  #ends = new Int32Array(2 ** 12);
  #size = 0;
  /** Segments that the rows began in before the present one, and how many rows there are up to the end of each. */
  #before: { readonly segment: Uint8Array; readonly to: number }[] = [];

  /** Segments come in the order in which they were written (`RowCount`). */
  add(segment: Uint8Array, row: WrittenRow, visitor: RowVisitor): void {
    const { length } = segment;
    for (let from = 0; from < length;) {
      const depth = row.begin(segment, from);
      row.at += row.contextBytes(depth) - 1;
      const end = row.end();
      if (this.#size === this.#starts.length) this.#grow();
      this.#starts[this.#size] = from;
      this.#ends[this.#size++] = end;
      from = end;
      // A row is visited behind those that it is the context of. They end with the row of one id.
      if (depth === 1) this.#visit(segment, visitor);
    }
    if (this.#size > 0) this.#before.push({ segment, to: this.#size });
  }

  #visit(segment: Uint8Array, visitor: RowVisitor): void {
    const [starts, ends] = [this.#starts, this.#ends];
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
