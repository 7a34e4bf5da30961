/**
 * The facts' log in a Valkey or Redis server or cluster, for several servers with one memory. Every server reads all,
 * and may write: a write that does not know of another's is refused by the script that would have made it. Knows bytes
 * and streams; not what facts mean.
 *
 *     engram:{NAME}:facts          {version: 1, vocabulary: 64 hexadecimal digits, generation: G}
 *     engram:{NAME}:facts:G        stream; an entry's "commit" is commits as in the file (`log-format.ts`)
 *     engram:{NAME}:facts:bell     stream of one entry, G: rings where a generation ends
 *
 * Forgetting begins a new generation without the record and deletes the old one: entries that are deleted from a stream
 * one by one stay in its blocks, in memory and in what is saved to disk. How much of an acknowledged write a crash of the
 * cluster leaves is the cluster's to say (appendonly, replicas).
 */
import { FormatError, StoreError } from "../../errors.ts";
import { type FactLog, type News, SupersededError } from "../fact-log.ts";
import {
  commitsOf,
  encodeHeader,
  FINGERPRINT_BYTES,
  type LogRecord,
  type LogVocabulary,
  numberOf,
  parseLog,
} from "../log-format.ts";
import { connectStream, type StreamAddress, type StreamClient } from "./stream-client.ts";

const VERSION = "1";
/** Of one entry; more only for what is one. A change that has several is added by one script. */
const ENTRY_BYTES = 2 ** 20;
/** Entries of one answer. */
const PAGE = 64;
/** The log is held whole. */
const MAX_BYTES = 2 ** 30;
/** Milliseconds that a reader waits for a bell; and before it tries again where nobody answers. */
const BLOCK = 5000;
const PAUSE = 250;

/** Of an empty stream. */
const START = "0-0";

/** KEYS head, stream; ARGV generation, last id that is known, commits. Answers the new last id, or nothing. */
const APPEND = `
  if redis.call('HGET', KEYS[1], 'generation') ~= ARGV[1] then return false end
  local last = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)
  local id = last[1] and last[1][1] or '${START}'
  if id ~= ARGV[2] then return false end
  for i = 3, #ARGV do id = redis.call('XADD', KEYS[2], '*', 'commit', ARGV[i]) end
  return id`;

/** KEYS head, stream, the next, bell; ARGV generation, last id, next generation, commits. */
const REPLACE = `
  if redis.call('HGET', KEYS[1], 'generation') ~= ARGV[1] then return false end
  local last = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)
  if (last[1] and last[1][1] or '${START}') ~= ARGV[2] then return false end
  local id = '${START}'
  for i = 4, #ARGV do id = redis.call('XADD', KEYS[3], '*', 'commit', ARGV[i]) end
  redis.call('HSET', KEYS[1], 'generation', ARGV[3])
  redis.call('DEL', KEYS[2])
  redis.call('XADD', KEYS[4], 'MAXLEN', 1, '*', 'generation', ARGV[3])
  return id`;

/** KEYS head, bell; ARGV version, vocabulary, generation. */
const BEGIN = `
  if redis.call('EXISTS', KEYS[1]) == 1 then return false end
  redis.call('HSET', KEYS[1], 'version', ARGV[1], 'vocabulary', ARGV[2], 'generation', ARGV[3])
  redis.call('XADD', KEYS[2], 'MAXLEN', 1, '*', 'generation', ARGV[3])
  return ARGV[3]`;

/** What a reader has seen. */
interface Seen {
  readonly generation: string;
  /** Of the last entry. */
  readonly id: string;
  /** Of the last change. */
  readonly number: number;
}

export class FactStream implements FactLog {
  readonly name: string;
  readonly #address: StreamAddress;
  readonly #vocabulary: (() => LogVocabulary) | undefined;
  readonly #keys: { readonly head: string; readonly bell: string };
  #client: Promise<StreamClient> | undefined;
  #listener: StreamClient | undefined;
  /** Undefined where nothing was ever taught. */
  #seen: Seen | undefined;
  #isClosed = false;
  #listening: Promise<void> | undefined;

  /** Opens nothing. Without `vocabulary` any vocabulary's facts are read, and none can begin. */
  constructor(address: StreamAddress, { vocabulary }: { vocabulary?: () => LogVocabulary } = {}) {
    this.#address = address;
    this.#vocabulary = vocabulary;
    const { host, port, name } = address;
    this.name = `the memory "${name}" at ${host}:${port}`;
    const head = `engram:{${name}}:facts`;
    this.#keys = { head, bell: `${head}:bell` };
  }

  /** All records. Throws `StoreError` where nobody answers, `FormatError` for what is no log, or another vocabulary's. */
  async read(): Promise<readonly LogRecord[]> {
    return (await this.begin())?.records ?? [];
  }

  async begin(): Promise<News | undefined> {
    return this.#ask(async (client) => {
      for (;;) {
        const generation = await this.#generation(client);
        if (generation === undefined && this.#seen === undefined) return undefined;
        if (generation === undefined)
          throw new StoreError(
            `${this.name} is gone: somebody removed it, or its cluster lost its data. What was read of it is still ` +
              "answered with: save that with engram facts --out, restart, and teach it again",
          );
        const isNew = generation !== this.#seen?.generation;
        const from = isNew ? START : this.#seen!.id;
        const found = await this.#entriesAfter(client, { generation, from });
        // What was replaced meanwhile was not read whole.
        if (isNew && (await this.#generation(client)) !== generation) continue;
        // Damage is never passed by: nothing is written behind it.
        const after = isNew ? 0 : this.#seen!.number;
        const records = this.#recordsIn(
          found.map(({ commit }) => commit),
          after,
        );
        const number = records.at(-1)?.number ?? after;
        this.#seen = { generation, id: found.at(-1)?.id ?? from, number };
        return records.length === 0 && !isNew ? undefined : { records, isAll: isNew };
      }
    });
  }

  look(): Promise<News | undefined> {
    return this.begin();
  }

  async append(records: readonly Uint8Array[]): Promise<void> {
    await this.#ask(async (client) => {
      const seen = (this.#seen ??= await this.#create(client));
      const { head } = this.#keys;
      const keys = [head, this.#streamOf(seen.generation)];
      const words = [seen.generation, seen.id, ...commitsOf(records, ENTRY_BYTES)];
      const id = await client.eval(APPEND, keys, words);
      if (id === undefined) throw new SupersededError(this.name);
      this.#seen = { ...seen, id, number: lastNumber(records, seen.number) };
    });
  }

  async replace(records: readonly Uint8Array[]): Promise<void> {
    await this.#ask(async (client) => {
      const seen = (this.#seen ??= await this.#create(client));
      const { head, bell } = this.#keys;
      const generation = crypto.randomUUID();
      const keys = [head, this.#streamOf(seen.generation), this.#streamOf(generation), bell];
      const words = [seen.generation, seen.id, generation, ...commitsOf(records, ENTRY_BYTES)];
      const id = await client.eval(REPLACE, keys, words);
      if (id === undefined) throw new SupersededError(this.name);
      this.#seen = { generation, id, number: lastNumber(records, 0) };
    });
  }

  watch(onNews: () => Promise<void>): void {
    this.#listening ??= this.#listen(onNews);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#listener?.close();
    (await this.#client?.catch(() => undefined))?.close();
    await this.#listening;
  }

  async #listen(onNews: () => Promise<void>): Promise<void> {
    let bellId: string | undefined;
    while (!this.#isClosed) {
      try {
        const client = (this.#listener ??= await connectStream(this.#address, BLOCK));
        if (this.#isClosed) break;
        if (bellId === undefined) {
          bellId = await client.lastId(this.#keys.bell);
          // What came while nobody listened.
          await onNews();
        }
        const { generation = "none", id = START } = this.#seen ?? {};
        const streams = [
          [this.#streamOf(generation), id],
          [this.#keys.bell, bellId],
        ] as const;
        const found = await client.wait(streams, BLOCK);
        bellId = found.get(this.#keys.bell) ?? bellId;
        if (found.size === 0 || this.#isClosed) continue;
        const last = found.get(this.#streamOf(generation));
        const isNew = (): boolean => last !== undefined && last !== this.#seen?.id;
        // One's own writing rings, too.
        if (last !== undefined && !isNew()) continue;
        const before = this.#seen;
        await onNews();
        // What cannot be read would ring at once again.
        if (isNew() && this.#seen === before) await pause(PAUSE);
      } catch {
        this.#listener?.close();
        this.#listener = undefined;
        bellId = undefined;
        if (!this.#isClosed) await pause(PAUSE);
      }
    }
    this.#listener?.close();
  }

  #streamOf(generation: string): string {
    return `${this.#keys.head}:${generation}`;
  }

  async #create(client: StreamClient): Promise<Seen> {
    const { head, bell } = this.#keys;
    const fingerprint = this.#vocabulary?.().fingerprint;
    if (fingerprint === undefined)
      throw new StoreError(`${this.name}: nothing was taught here yet`);
    const generation = crypto.randomUUID();
    const vocabulary = Buffer.from(fingerprint).toString("hex");
    const made = await client.eval(BEGIN, [head, bell], [VERSION, vocabulary, generation]);
    if (made === undefined) throw new SupersededError(this.name);
    return { generation, id: START, number: 0 };
  }

  async #generation(client: StreamClient): Promise<string | undefined> {
    const fields = await client.fields(this.#keys.head, ["version", "vocabulary", "generation"]);
    const [version, vocabulary, generation] = fields;
    if (fields.every((field) => field === null)) return undefined;
    if (version !== VERSION || !/^[\da-f]{64}$/.test(vocabulary ?? "") || !generation)
      throw new FormatError(
        `${this.name}: expected a memory of version ${VERSION}, got ${JSON.stringify(fields).slice(0, 120)}`,
      );
    const fingerprint = this.#vocabulary?.().fingerprint;
    if (fingerprint !== undefined && Buffer.from(fingerprint).toString("hex") !== vocabulary)
      throw new FormatError(
        `${this.name}: its facts are written in the ids of another vocabulary than this model's; give this model a name ` +
          "of its own in the address",
      );
    return generation;
  }

  async #entriesAfter(
    client: StreamClient,
    { generation, from }: { generation: string; from: string },
  ): Promise<{ id: string; commit: Uint8Array }[]> {
    const all: { id: string; commit: Uint8Array }[] = [];
    let bytes = 0;
    for (let last = from; ;) {
      const page = await client.range(this.#streamOf(generation), last, PAGE);
      all.push(...page);
      bytes += page.reduce((sum, { commit }) => sum + commit.length, 0);
      if (bytes > MAX_BYTES)
        throw new FormatError(
          `${this.name} has more than the ${MAX_BYTES} bytes that a log may have`,
        );
      if (page.length < PAGE) return all;
      last = page.at(-1)!.id;
    }
  }

  /** Whatever is in a stream, anybody may have put there. */
  #recordsIn(commits: readonly Uint8Array[], after: number): LogRecord[] {
    const vocabulary = this.#vocabulary?.();
    const header = encodeHeader(vocabulary?.fingerprint ?? new Uint8Array(FINGERPRINT_BYTES));
    let last = after;
    return commits.flatMap((commit) => {
      const bytes = Buffer.concat([header, commit]);
      const { records, end } = parseLog(bytes, { where: this.name, vocabulary, after: last });
      last = records.at(-1)?.number ?? last;
      if (end === bytes.length) return records;
      throw new FormatError(`${this.name}: an entry of its stream is not whole`);
    });
  }

  async #ask<T>(question: (client: StreamClient) => Promise<T>): Promise<T> {
    if (this.#isClosed) throw new StoreError(`${this.name} is closed`);
    const connecting = (this.#client ??= connectStream(this.#address));
    try {
      return await question(await connecting);
    } catch (error) {
      if (error instanceof SupersededError || error instanceof FormatError) throw error;
      // The next one connects anew.
      if (this.#client === connecting) this.#client = undefined;
      (await connecting.catch(() => undefined))?.close();
      if (error instanceof StoreError) throw error;
      throw new StoreError(
        `${this.name} does not answer (${(error as Error).message}): nothing can be taught or forgotten now; what was ` +
          "taught before is known as before",
      );
    }
  }
}

function lastNumber(records: readonly Uint8Array[], before: number): number {
  const last = records.at(-1);
  return last === undefined ? before : numberOf(last);
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, milliseconds));
}
