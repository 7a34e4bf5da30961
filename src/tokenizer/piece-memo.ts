/**
 * Remembers the ids of pieces already merged. Text follows Zipf's law: a quarter of a million
 * pieces cover nearly all of it. Bounded: when it is full it starts anew, which costs less than
 * keeping an order. Knows nothing of how ids come about.
 */
import { IntList } from "./int-list.ts";
import { ownedCopy } from "./owned-copy.ts";

const MAX_PIECES: number = 1 << 18;
/** Longer pieces hardly ever come twice. */
const MAX_PIECE_LENGTH = 64;

export class PieceMemo {
  /** What `get` answers for a piece that is not remembered. */
  static readonly ABSENT: number = Number.MIN_SAFE_INTEGER;

  /** A piece of one token has its id; any other has -1 - (where its list starts in the pool). */
  readonly #found = new Map<string, number>();
  /** Lists, each after its length. */
  readonly #pool = new IntList(1 << 14);

  /** An id >= 0, a reference for `list` (negative), or ABSENT. */
  get(piece: string): number {
    return this.#found.get(piece) ?? PieceMemo.ABSENT;
  }

  list(reference: number): Int32Array {
    const at = -1 - reference;
    return this.#pool.view(at + 1, at + 1 + this.#pool.at(at));
  }

  set(piece: string, ids: Int32Array): void {
    if (piece.length > MAX_PIECE_LENGTH) return;
    // Where lone surrogates change the key, the ids are the same: both are U+FFFD in UTF-8.
    const key = ownedCopy(piece);
    if (this.#found.size >= MAX_PIECES) {
      this.#found.clear();
      this.#pool.clear();
    }
    if (ids.length === 1) {
      this.#found.set(key, ids[0]!);
    } else {
      this.#found.set(key, -1 - this.#pool.push(ids.length));
      this.#pool.append(ids);
    }
  }
}
