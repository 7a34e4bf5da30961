/**
 * One mutable timeline: the token ids so far, the key-value cache that belongs to them, and the logits they
 * lead to. Any split of the same ids into appends gives the same logits, up to the rounding of sums. Knows
 * ids and numbers; not text, sampling, stop rules or requests.
 *
 * State is only what the ids and the view determine, so rewinding is forgetting and forking is copying. Where the
 * model's `documentStart` comes, a document starts, and what follows is as if that token were the first: nothing before
 * it is seen, and positions count from it. Cache positions behind the document's end, up to the kept documents
 * (`KeyValues`), hold leftovers that the next append overwrites before reading.
 */
import { InvariantError, RequestError } from "../errors.ts";
import type { MemoryReader } from "../memory/memory.ts";
import type { Decoder } from "./decoder.ts";
import { type Caches, emptyCaches } from "./key-values.ts";
import { checkTokenIds } from "./language-model.ts";
import { joinReadings, type Reading, type Want } from "./reading.ts";
import { type Slot, StepRunner } from "./step-runner.ts";
import { Timeline } from "./timeline.ts";
import { sharedPrefix, type View, viewOf } from "./view.ts";
import { documentEnd } from "./document-end.ts";

export interface SessionOptions {
  /** The key-value caches [1,K,C,d] by their graph names; the session's own if not given. */
  readonly caches?: Caches;
  /** Default: the model's memory as it was trained. */
  readonly view?: Partial<View>;
}

/** Prompts are cut into pieces of these lengths; more of them would only mean more compiling. */
const smallestPiece = 8;

/** See the head of this file. Made by `Model.createSession`; dispose it to give its caches back. */
export class Session implements Slot {
  readonly #decoder: Decoder;
  readonly #runner: StepRunner;
  #view: View;
  #reader: MemoryReader | undefined;
  #busy = false;
  #disposed = false;
  /** For batches, which read on where this session stands. */
  readonly timeline: Timeline;

  /** Use `Decoder.createSession`. */
  constructor(decoder: Decoder, { caches, view }: SessionOptions) {
    this.#decoder = decoder;
    this.#view = viewOf(decoder.model, view);
    this.#reader = this.#view.memory?.reader();
    const { model, capacity } = decoder;
    const own = caches ?? emptyCaches(decoder, 1);
    this.timeline = new Timeline(model.config, { capacity, caches: own });
    this.#runner = new StepRunner(decoder, { slots: [this], caches: own });
  }

  get length(): number {
    return this.timeline.length;
  }

  get ids(): readonly number[] {
    return this.timeline.ids;
  }

  /** Tokens that still fit. */
  get remaining(): number {
    return this.#decoder.capacity - this.length;
  }

  get view(): View {
    return this.#view;
  }

  /** For batches, as `timeline`. */
  get reader(): MemoryReader | undefined {
    return this.#reader;
  }

  /**
   * Appends at least one id; resolves to what reading them told. If it rejects, nothing was appended. Throws
   * `RequestError` for ids outside the vocabulary and for more of them than still fit.
   */
  async append(ids: ArrayLike<number>, want: Want = {}): Promise<Reading> {
    this.#check();
    checkTokenIds(ids, this.#decoder.model.config.vocabSize);
    if (ids.length === 0) throw new RequestError("append needs at least one token id");
    if (ids.length > this.remaining)
      throw new RequestError(
        `${this.length} + ${ids.length} tokens exceed the model's context of ${this.#decoder.capacity}; ` +
          "shorten the text",
      );
    const before = this.length;
    this.#busy = true;
    try {
      const { documentStart } = this.#decoder.model.config;
      const pieces: Reading[] = [];
      for (let at = 0; at < ids.length;) {
        const left = documentEnd(ids, { from: at, documentStart }) - at;
        const length = this.#pieceLength(left);
        if (at === 0 && length < ids.length) this.expect(Array.from(ids), { skip: length });
        const piece: number[] = [];
        for (let i = 0; i < Math.min(left, length); i++) piece.push(ids[at + i]!);
        const entries = [{ slot: 0, ids: piece }];
        const [reading] = await this.#runner.run(entries, { batch: 1, length }, want);
        const { logits, hidden } = reading!;
        pieces.push({ ...reading!, logits: logits.slice(), hidden: hidden.slice() });
        at += piece.length;
      }
      return joinReadings(pieces, want);
    } catch (error) {
      this.timeline.undo(before);
      throw error;
    } finally {
      this.#busy = false;
    }
  }

  /** Becomes a reading of `ids` and nothing else; what it has read of their beginning is not read again. */
  async sync(ids: ArrayLike<number>, want: Want = {}): Promise<Reading> {
    const prefix = commonPrefix(this.ids, ids);
    this.rewind(prefix);
    return this.append(Array.from(ids).slice(prefix), want);
  }

  /**
   * Says that `ids` will probably be appended next, but for the first `skip` of them, which are being appended now:
   * slow stores may begin to read. Changes speed, never results.
   */
  expect(ids: readonly number[], { skip = 0 }: { skip?: number } = {}): void {
    this.#decoder.prefetch?.expect(this, { ids, skip });
  }

  /** Forgets everything from position `length` on. */
  rewind(length: number): void {
    this.#check();
    this.timeline.rewind(length);
  }

  /** Forgets everything, and leaves no trace of it in the caches. */
  wipe(): void {
    this.#check();
    this.timeline.undo(0);
  }

  /** Goes on under another view, and keeps of what was read the first `length` tokens, which read the same under both. */
  restart(view: View, { length = 0 }: { length?: number } = {}): void {
    this.rewind(length);
    if (sharedPrefix(this.#view, view, this.ids) < length)
      throw new InvariantError(`the first ${length} tokens read differently under another view`);
    const next = viewOf(this.#decoder.model, view);
    if (next.memory?.identity !== this.#view.memory?.identity) this.#reader = next.memory?.reader();
    this.#view = next;
  }

  /** An independent session with the same past and view. */
  fork(): Session {
    const copy = this.#decoder.createSession({ view: this.#view });
    copy.copyPrefix(this, this.length);
    return copy;
  }

  /** Becomes a copy of the first `length` tokens of `other`, a session of the same decoder, which read the same here. */
  copyPrefix(other: Session, length: number): void {
    this.#check();
    other.#check();
    if (!Number.isInteger(length) || length < 0 || length > other.length)
      throw new InvariantError(`a prefix of ${length} tokens of ${other.length} does not exist`);
    const shared = sharedPrefix(other.#view, this.#view, other.ids.slice(0, length));
    if (other.#decoder !== this.#decoder || shared < length)
      throw new InvariantError("a prefix comes from a session of the same decoder and view");
    this.timeline.copyFrom(other.timeline, length);
  }

  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    await this.#runner.dispose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  #check(): void {
    if (this.#disposed) throw new RequestError("this session is disposed; create another");
    if (this.#busy) throw new RequestError("this session is still appending; await that first");
  }

  /**
   * Length of the graph for the next piece of `left` tokens: the next power of two, its unused end
   * padded, or near the end of the cache the largest that fits.
   */
  #pieceLength(left: number): number {
    if (left === 1) return 1;
    const room = this.remaining;
    let length = smallestPiece;
    while (length < left) length *= 2;
    while (length > room) length = length > smallestPiece ? length / 2 : 1;
    return length;
  }
}

/** Tokens of `read` that need not be read again for `ids`. Never all of those: the last leads to the logits. */
export function commonPrefix(read: readonly number[], ids: ArrayLike<number>): number {
  const most = Math.min(read.length, ids.length - 1);
  let length = 0;
  while (length < most && read[length] === ids[length]) length++;
  return length;
}
