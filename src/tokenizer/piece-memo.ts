/**
 * A cache of the ids of merged pieces. By Zipf's law few pieces cover nearly all text. Bounded: each piece has one place,
 * and keeps it until another is put there. Does not know how ids are computed.
 *
 * The place is by a sum of our own: a `Map` has V8 hash each slice of a text anew, and its entries lie far apart.
 */
import { ownedCopy } from "./owned-copy.ts";

const PLACES: number = 1 << 17;
/** Longer pieces rarely repeat. */
const MAX_PIECE_LENGTH = 64;

export class PieceMemo {
  readonly #pieces = Array<string | undefined>(PLACES);
  readonly #ids = Array<Int32Array | number | undefined>(PLACES);

  /** Its ids, or its only one; undefined if it is not cached. */
  get(piece: string): Int32Array | number | undefined {
    const place = placeOf(piece);
    return this.#pieces[place] === piece ? this.#ids[place] : undefined;
  }

  set(piece: string, ids: Int32Array): void {
    if (piece.length > MAX_PIECE_LENGTH) return;
    const place = placeOf(piece);
    this.#pieces[place] = ownedCopy(piece);
    this.#ids[place] = ids.length === 1 ? ids[0]! : ids.slice();
  }
}

function placeOf(piece: string): number {
  const length = Math.min(piece.length, MAX_PIECE_LENGTH);
  let sum = 0;
  for (let i = 0; i < length; i++) {
    sum = Math.imul(sum ^ piece.charCodeAt(i), 0x9e3779b1);
    sum ^= sum >>> 15;
  }
  return sum & (PLACES - 1);
}
