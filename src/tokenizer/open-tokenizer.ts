/**
 * A tokenizer of an untrusted file. The vocabulary is read here, in time linear in the file. Its patterns may never
 * end, so a worker that can be stopped encodes texts. Short texts of vocabularies with known cost are encoded on the
 * caller's thread. Knows no platform.
 */
import { nextTurn } from "../next-turn.ts";
import { type LazyWorker, type StartWorker, workerWhenNeeded } from "../worker/index.ts";
import { hasBoundedCost } from "./bounded-cost.ts";
import type { EncodeTask } from "./encode-task.ts";
import {
  parseVocabulary,
  type ReadTokenizerOptions,
  type TokenizerSource,
} from "./tokenizer-json.ts";
import type {
  DirectTokenizer,
  EncodeOptions,
  StreamDecoder,
  StreamOptions,
  TextBounds,
  Tokenizer,
  Vocabulary,
} from "./tokenizer.ts";

export interface OpenTokenizerOptions extends ReadTokenizerOptions {
  /** Starts a worker that does `encodeTasks`. */
  readonly startWorker: StartWorker;
}

/**
 * UTF-16 units encoded on the caller's thread in one turn of its event loop. For the worst text found (two letters
 * repeated) this takes 17 ms of processor time with cold code, and 2 ms with warm code.
 */
const unitsHere = 8192;
/** Longer texts have a separate worker, so that short ones do not wait for them. */
const unitsOfShort = 65_536;
/** Time limit: milliseconds per text, and per unit of it. The slowest known vocabularies need a tenth of it. */
const limit = { text: 5000, unit: 0.01 };

/** Throws `FormatError`, and nothing else, for text that is not a tokenizer.json or that contradicts itself. */
export async function openTokenizer(
  json: TokenizerSource,
  options: OpenTokenizerOptions,
): Promise<Tokenizer> {
  const { startWorker, ...others } = options;
  const { vocabulary, byteLevel } = await parseVocabulary(json, others);
  const isBounded = byteLevel !== undefined && hasBoundedCost(byteLevel.definition);
  return new WorkerTokenizer(vocabulary, {
    direct: isBounded ? byteLevel.direct : undefined,
    makeWorker: () =>
      workerWhenNeeded(startWorker, {
        // A definition is smaller than the text, which nobody needs any more.
        first: { task: "read", input: byteLevel?.definition ?? json },
        // The caller limits the number of texts.
        maxWaiting: Infinity,
      }),
  });
}

class WorkerTokenizer implements Tokenizer {
  readonly #vocabulary: Vocabulary;
  readonly #direct: DirectTokenizer | undefined;
  readonly #short: LazyWorker;
  readonly #long: LazyWorker;
  #unitsLeft = unitsHere;
  /** Running while a text waits for it. */
  #turn: Promise<void> | undefined;

  constructor(
    vocabulary: Vocabulary,
    { direct, makeWorker }: { direct: DirectTokenizer | undefined; makeWorker: () => LazyWorker },
  ) {
    this.#vocabulary = vocabulary;
    this.#direct = direct;
    // Each starts its thread at its first text; most programs start none or one.
    this.#short = makeWorker();
    this.#long = makeWorker();
  }

  get vocabSize(): number {
    return this.#vocabulary.vocabSize;
  }

  get specialTokens(): ReadonlyMap<string, number> {
    return this.#vocabulary.specialTokens;
  }

  get eosTokenId(): number | undefined {
    return this.#vocabulary.eosTokenId;
  }

  get bounds(): TextBounds {
    return this.#vocabulary.bounds;
  }

  get maxUnitsPerToken(): number | undefined {
    return this.#vocabulary.maxUnitsPerToken;
  }

  encode(text: string, options: EncodeOptions = {}): Int32Array | Promise<Int32Array> {
    if (text === "") return new Int32Array(0);
    if (this.#direct === undefined || text.length > unitsHere)
      return this.#encodeInWorker(text, options);
    return this.#takeUnits(text.length)
      ? this.#direct.encode(text, options)
      : this.#encodeInLaterTurn(this.#direct, { text, options });
  }

  decode(ids: ArrayLike<number>, options?: { skipSpecial?: boolean }): string {
    return this.#vocabulary.decode(ids, options);
  }

  rawToken(id: number): string {
    return this.#vocabulary.rawToken(id);
  }

  tokenBytes(id: number): Uint8Array {
    return this.#vocabulary.tokenBytes(id);
  }

  stream(options?: StreamOptions): StreamDecoder {
    return this.#vocabulary.stream(options);
  }

  close(): void {
    this.#short.close();
    this.#long.close();
  }

  #takeUnits(units: number): boolean {
    if (units > this.#unitsLeft) return false;
    this.#unitsLeft -= units;
    return true;
  }

  /** Many short texts in a row would block the thread like one long text. */
  async #encodeInLaterTurn(
    direct: DirectTokenizer,
    { text, options }: { text: string; options: EncodeOptions },
  ): Promise<Int32Array> {
    while (!this.#takeUnits(text.length)) {
      this.#turn ??= this.#refill();
      await this.#turn;
    }
    options.signal?.throwIfAborted();
    return direct.encode(text, options);
  }

  async #refill(): Promise<void> {
    await nextTurn();
    this.#turn = undefined;
    this.#unitsLeft = unitsHere;
  }

  async #encodeInWorker(
    text: string,
    { allowSpecial = false, literals = [], signal }: EncodeOptions,
  ): Promise<Int32Array> {
    const worker = text.length > unitsOfShort ? this.#long : this.#short;
    const input: EncodeTask = { text, allowSpecial, literals };
    const ids = await worker.run("encode", input, {
      limit: limit.text + limit.unit * text.length,
      tooSlow: `the patterns of this tokenizer.json did not cut a text of ${text.length} characters into tokens`,
      signal,
    });
    return ids as Int32Array;
  }
}
