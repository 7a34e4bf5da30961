/**
 * A cache of the ids of merged pieces. By Zipf's law a quarter of a million pieces cover nearly all text.
 * Bounded: a full cache is cleared, which costs less than LRU order. Does not know how ids are computed.
 */
import { IntList } from "./int-list.ts";
import { ownedCopy } from "./owned-copy.ts";

const MAX_PIECES: number = 1 << 18;
/** Longer pieces rarely repeat. */
const MAX_PIECE_LENGTH = 64;

export class PieceMemo {
  /** The result of `get` for a piece that is not cached. */
  static readonly ABSENT: number = Number.MIN_SAFE_INTEGER;

  /** The id of a piece with one token; otherwise -1 - (start of its list in the pool). */
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
