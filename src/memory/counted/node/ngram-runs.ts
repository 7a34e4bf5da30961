/**
 * Counts n-grams of a stream of documents in bounded memory: so many tokens at a time are sorted and written as a file
 * of counts, a run; few runs are merged into one, and what is behind the last one stays in memory. A directory of runs is what is kept: `runs.json` says which runs count
 * and how far the text was read, and is replaced as a whole after each. So a process killed at any moment loses at most
 * the run that it was at. Knows ids; no tokenizer, no rows.
 */
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { writeDurably } from "../../../bytes/node/index.ts";
import { FormatError, InvalidConfigError } from "../../../errors.ts";
import { type ContextOrder, sortByContext } from "../context-order.ts";
import { MergedNgrams } from "../merged-ngrams.ts";
import { checkSameKind, checkTotal, type NgramKind } from "../ngram-bytes.ts";
import { ngramsOf, type OrderedNgrams } from "../ordered-ngrams.ts";
import { mergeNgramFiles, NgramFile, writeNgramFile } from "./ngram-file.ts";

/** Tokens that are sorted at once. Sorting takes about 20 bytes for each. */
const RUN_TOKENS = 2 ** 22;
/** Runs that are merged at once; each is an open file, and a block in memory. */
const FAN_IN = 16;
const listName = "runs.json";
const runName = /^\d+-\d+\.ngrams$/;

/** How far a text was counted. */
interface Progress {
  /** Documents that were begun, and the SHA-256 of their texts, one behind the other. */
  readonly documents: number;
  readonly sha256: string;
  /** Tokens of the last of them that were counted; -1: all. */
  readonly tokens: number;
}

interface RunList extends Progress {
  readonly order: number;
  readonly vocabSize: number;
  readonly tokenizer: string;
  /** Files in the order of the text. */
  readonly runs: readonly string[];
}

export interface NgramRunsOptions extends NgramKind {
  readonly runTokens?: number;
  readonly signal?: AbortSignal | undefined;
}

/** What was counted, before its first n-gram. Holds files until it is disposed. */
export interface CountedNgrams extends Disposable {
  readonly ngrams: OrderedNgrams;
  /** Sum of all counts. */
  readonly total: number;
}

const none: Progress = { documents: 0, sha256: "", tokens: -1 };

export class NgramRuns {
  readonly directory: string;
  readonly #kind: NgramKind;
  readonly #signal: AbortSignal | undefined;
  readonly #texts = createHash("sha256");
  #runs: readonly string[];
  /** What earlier processes counted, and what the runs hold now. */
  readonly #kept: Progress;
  #counted: Progress;
  #documents = 0;
  /** The tokens of the next run. It may begin with the last ids of a document that was begun before. */
  readonly #tokens: Uint16Array | Uint32Array;
  readonly #runTokens: number;
  #size = 0;
  #starts: number[] = [];

  private constructor(
    directory: string,
    list: RunList | undefined,
    { order, vocabSize, tokenizer, runTokens = RUN_TOKENS, signal }: NgramRunsOptions,
  ) {
    this.directory = directory;
    this.#kind = { order, vocabSize, tokenizer };
    this.#signal = signal;
    this.#runs = list?.runs ?? [];
    this.#kept = list ?? none;
    this.#counted = this.#kept;
    this.#runTokens = Math.max(runTokens, 2 * order);
    this.#tokens = new (vocabSize <= 2 ** 16 ? Uint16Array : Uint32Array)(this.#runTokens);
  }

  /**
   * Begins to count in a directory, or goes on where its runs end. Throws `InvalidConfigError` where they are of other
   * n-grams or another tokenizer. One process at a time may count in a directory.
   */
  static async open(directory: string, options: NgramRunsOptions): Promise<NgramRuns> {
    await mkdir(directory, { recursive: true });
    const list = await readList(directory);
    if (list !== undefined) {
      const tokenizer = hex(options.tokenizer);
      const { order, vocabSize } = options;
      if (list.order !== order || list.vocabSize !== vocabSize || list.tokenizer !== tokenizer)
        throw new InvalidConfigError(
          `${directory} has n-grams of ${list.order} of ${list.vocabSize} ids of another count; remove it to count anew, or ask for what was counted`,
        );
    }
    // A run is on the list or never was.
    for (const name of await readdir(directory))
      if (runName.test(name) && list?.runs.includes(name) !== true) await rm(join(directory, name));
    return new NgramRuns(directory, list, options);
  }

  /**
   * Counts the next document. `encode` gives its ids, the first of which is only context; it is not called for documents
   * that are counted already. Throws `InvalidConfigError` where they are not those that were counted.
   */
  async add(text: string, encode: () => Promise<ArrayLike<number>>): Promise<void> {
    this.#texts.update(text).update("\0");
    this.#documents++;
    const { documents, sha256, tokens } = this.#kept;
    if (this.#documents < documents) return;
    let from = 0;
    if (this.#documents === documents) {
      if (this.#sum() !== sha256) throw this.#otherText();
      if (tokens === -1) return;
      from = tokens;
    }
    await this.#count(await encode(), from);
  }

  /**
   * All that was counted; undefined if it is nothing. What follows the last run stays in memory: another process that goes on
   * here counts it again.
   */
  async finish(): Promise<CountedNgrams | undefined> {
    if (this.#documents < this.#kept.documents) throw this.#otherText();
    // The last ones are the smallest.
    while (this.#runs.length > FAN_IN) await this.#mergeLast(FAN_IN);
    this.#signal?.throwIfAborted();
    const open: NgramFile[] = [];
    const close = (): void => {
      for (const file of open) file[Symbol.dispose]();
    };
    try {
      for (const name of this.#runs) open.push(new NgramFile(join(this.directory, name)));
      for (const { header } of open) checkSameKind(this.#kind, header);
      const sources = open.map((file) => file.ngrams());
      let total = open.reduce((sum, { header }) => sum + header.total, 0);
      if (this.#size > 0) {
        const rest = this.#sorted();
        sources.push(ngramsOf(rest));
        total += rest.places.length;
      }
      checkTotal(total);
      const [first] = sources;
      if (first === undefined) return undefined;
      const ngrams =
        sources.length === 1
          ? first
          : new MergedNgrams(sources.map((one) => ({ ngrams: one, sign: 1 })));
      return { ngrams, total, [Symbol.dispose]: close };
    } catch (error) {
      close();
      throw error;
    }
  }

  async #count(ids: ArrayLike<number>, from: number): Promise<void> {
    const before = this.#kind.order - 1;
    let at = from;
    if (from === 0) this.#starts.push(this.#size);
    else for (let i = from - before; i < from; i++) this.#tokens[this.#size++] = ids[i]!;
    while (at < ids.length) {
      while (at < ids.length && this.#size < this.#runTokens)
        this.#tokens[this.#size++] = ids[at++]!;
      if (this.#size < this.#runTokens) return;
      // What goes on in the next run has its whole context there, or begins there.
      const isWhole = at === ids.length;
      if (!isWhole && at < before) {
        this.#size -= at;
        this.#starts.pop();
        at = 0;
      }
      await this.#flush(isWhole ? -1 : at);
      if (isWhole) return;
      if (at === 0) this.#starts.push(0);
      else for (let i = at - before; i < at; i++) this.#tokens[this.#size++] = ids[i]!;
    }
  }

  /** Writes a run of the tokens so far. `tokens`: of the last document. */
  async #flush(tokens: number): Promise<void> {
    if (this.#size === 0) return;
    const number = this.#runs.length > 0 ? spanOf(this.#runs.at(-1)!)[1] : 0;
    const name = `${number}-${number + 1}.ngrams`;
    const sorted = this.#sorted();
    const options = { kind: this.#kind, signal: this.#signal };
    await writeNgramFile(join(this.directory, name), ngramsOf(sorted), options);
    const progress = { documents: this.#documents, sha256: this.#sum(), tokens };
    await this.#keep([...this.#runs, name], progress);
    this.#size = 0;
    this.#starts = [];
    while (this.#endsWithEqualRuns()) await this.#mergeLast(FAN_IN);
  }

  #sorted(): ContextOrder {
    const text = {
      tokens: this.#tokens.subarray(0, this.#size),
      starts: Uint32Array.from(this.#starts),
    };
    return sortByContext(text, this.#kind);
  }

  /** Whether as many runs as are merged at once are of one size: so each n-gram is merged seldom. */
  #endsWithEqualRuns(): boolean {
    const last = this.#runs.slice(-FAN_IN).map(spanOf);
    const [from, to] = last[0]!;
    return last.length === FAN_IN && last.every(([a, b]) => b - a === to - from);
  }

  async #mergeLast(count: number): Promise<void> {
    const names = this.#runs.slice(-count);
    const name = `${spanOf(names[0]!)[0]}-${spanOf(names.at(-1)!)[1]}.ngrams`;
    const files = names.map((one) => ({ path: join(this.directory, one), sign: 1 as const }));
    await mergeNgramFiles(join(this.directory, name), files, { signal: this.#signal });
    await this.#keep([...this.#runs.slice(0, -count), name], this.#counted);
  }

  /** From here on these runs count; others go. */
  async #keep(runs: readonly string[], progress: Progress): Promise<void> {
    const { order, vocabSize, tokenizer } = this.#kind;
    const list: RunList = { ...progress, order, vocabSize, tokenizer: hex(tokenizer), runs };
    await writeDurably(join(this.directory, listName), (file) =>
      file.writeFile(JSON.stringify(list)),
    );
    const old = this.#runs.filter((name) => !runs.includes(name));
    this.#runs = runs;
    this.#counted = progress;
    for (const name of old) await rm(join(this.directory, name));
  }

  #sum(): string {
    return this.#texts.copy().digest("hex");
  }

  #otherText(): InvalidConfigError {
    return new InvalidConfigError(
      `${this.directory} has counts of another text: it does not begin with the ${this.#kept.documents} documents ` +
        "that were counted there; give the same text, or count in another directory",
    );
  }
}

/** Which of the text's runs a file has: from, to. */
function spanOf(name: string): [number, number] {
  const [from, to] = name.split(/[-.]/).map(Number);
  return [from!, to!];
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

/** Throws `FormatError` for a list that no count wrote. */
async function readList(directory: string): Promise<RunList | undefined> {
  const path = join(directory, listName);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  let list: Partial<RunList> | null;
  try {
    list = JSON.parse(text) as Partial<RunList> | null;
  } catch (cause) {
    throw new FormatError(`${path} is not JSON: ${(cause as Error).message}`, { cause });
  }
  const isList =
    [list?.documents, list?.order, list?.vocabSize].every((n) => Number.isSafeInteger(n)) &&
    Number.isSafeInteger(list?.tokens) &&
    [list?.sha256, list?.tokenizer].every((sum) => typeof sum === "string") &&
    Array.isArray(list?.runs) &&
    list.runs.every((name) => typeof name === "string" && runName.test(name));
  if (!isList)
    throw new FormatError(
      `${path} is no list of counted runs; remove ${directory}, and count again`,
    );
  return list as RunList;
}
