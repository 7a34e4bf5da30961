/**
 * Token ids to bytes and to text, at once or streamed. Decoding joins bytes. A character may be split over
 * several tokens, so text is made from the joined bytes only. Invalid UTF-8 becomes U+FFFD exactly as in
 * TextDecoder. Knows nothing of encoding.
 */
import { RequestError } from "../errors.ts";
import { writeToken, type WriteToken } from "./byte-alphabet.ts";
import type { StreamDecoder } from "./tokenizer.ts";

export class TokenBytes {
  readonly #bytes: Uint8Array;
  /** The bytes of id i are #bytes[#starts[i] .. #starts[i + 1]). */
  readonly #starts: Int32Array;
  readonly #special: ReadonlySet<number>;
  /** Bytes of the longest token. */
  readonly longest: number;

  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });

  constructor(
    tokens: readonly string[],
    special: ReadonlySet<number>,
    write: WriteToken = writeToken,
  ) {
    this.#special = special;
    const starts = new Int32Array(tokens.length + 1);
    // UTF-8 takes at most three bytes for a UTF-16 unit.
    const bytes = new Uint8Array(tokens.reduce((sum, { length }) => sum + 3 * length, 0));
    let [end, longest] = [0, 1];
    for (let id = 0; id < tokens.length; id++) {
      const length = write(tokens[id]!, bytes, end);
      longest = Math.max(longest, length);
      starts[id + 1] = end += length;
    }
    this.longest = longest;
    this.#starts = starts;
    this.#bytes = bytes.slice(0, end);
  }

  /** A copy of the id's bytes. Throws RequestError if there is no such id. */
  of(id: number): Uint8Array {
    return this.#view(id).slice();
  }

  decode(ids: ArrayLike<number>, { skipSpecial = false }: { skipSpecial?: boolean }): string {
    const starts = this.#starts;
    const isShown = (id: number): boolean => !(skipSpecial && this.#special.has(id));
    let length = 0;
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i]!;
      this.check(id);
      if (isShown(id)) length += starts[id + 1]! - starts[id]!;
    }
    const joined = new Uint8Array(length);
    let at = 0;
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i]!;
      // Byte by byte: a view and a call per token would take five times as long.
      if (isShown(id))
        for (let b = starts[id]!; b < starts[id + 1]!; b++) joined[at++] = this.#bytes[b]!;
    }
    return this.#decoder.decode(joined);
  }

  stream({ skipSpecial = false }: { skipSpecial?: boolean }): StreamDecoder {
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    return {
      push: (id) => {
        const view = this.#view(id);
        return skipSpecial && this.#special.has(id) ? "" : decoder.decode(view, { stream: true });
      },
      end: () => decoder.decode(),
    };
  }

  /** Throws RequestError if there is no such id. */
  check(id: number): void {
    if (Number.isInteger(id) && id >= 0 && id < this.#starts.length - 1) return;
    throw new RequestError(
      `Expected a token id from 0 to ${this.#starts.length - 2}, got ${id}: ` +
        "these ids are not from this tokenizer.",
    );
  }

  #view(id: number): Uint8Array {
    this.check(id);
    return this.#bytes.subarray(this.#starts[id], this.#starts[id + 1]);
  }
}
