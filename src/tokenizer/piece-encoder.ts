/**
 * Ids of one piece of text, merged once and then cached. Does not know how text is split into pieces, nor
 * special tokens.
 */
import { BpeMerger, buildBpeModel } from "./bpe.ts";
import { spellBytes } from "./byte-alphabet.ts";
import type { TokenizerDefinition } from "./definition.ts";
import type { IntList } from "./int-list.ts";
import { PieceMemo } from "./piece-memo.ts";

export class PieceEncoder {
  readonly #merger: BpeMerger;
  readonly #memo = new PieceMemo();
  /** Tokens that are used without merging if they are a whole piece; undefined: always merge. */
  readonly #wholePieces: ReadonlyMap<string, number> | undefined;
  readonly #encoder = new TextEncoder();
  readonly #utf8 = new Uint8Array(1 << 12);

  /** Whether each byte has a token, so that none is left out of a text. */
  readonly isComplete: boolean;

  /** Throws FormatError if the definition contradicts itself. */
  constructor(definition: TokenizerDefinition, vocab?: ReadonlyMap<string, number>) {
    const model = buildBpeModel(definition, vocab);
    this.isComplete = !model.byteIds.includes(-1);
    this.#merger = new BpeMerger(model);
    if (definition.ignoreMerges !== true) return;
    const added = new Set(definition.addedTokens.map(({ id }) => id));
    this.#wholePieces = new Map(
      definition.tokens.flatMap((token, id) =>
        added.has(id) || token === "" ? [] : [[token, id]],
      ),
    );
  }

  /** Appends the ids of `piece` to `out`. */
  encode(piece: string, out: IntList): void {
    let ids = this.#memo.get(piece);
    if (ids === undefined) this.#memo.set(piece, (ids = this.#merge(piece)));
    if (typeof ids === "number") out.push(ids);
    else out.append(ids);
  }

  #merge(piece: string): Int32Array {
    // UTF-8 takes at most three bytes for a UTF-16 unit.
    const isShort = piece.length * 3 <= this.#utf8.length;
    const bytes = isShort ? this.#utf8 : this.#encoder.encode(piece);
    const length = isShort ? this.#encoder.encodeInto(piece, bytes).written : bytes.length;
    if (this.#wholePieces !== undefined) {
      const whole = this.#wholePieces.get(spellBytes(bytes.subarray(0, length)));
      if (whole !== undefined) return Int32Array.of(whole);
    }
    return this.#merger.merge(bytes, length);
  }
}
