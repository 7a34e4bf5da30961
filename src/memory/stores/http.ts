/**
 * A table behind a web server: row r is the bytes `offset + r * rowBytes ..` of one resource, read with
 * `Range` requests. Close rows share a request, several requests are under way at once, and what fails
 * for a reason that may pass is tried again. Anything but exactly the bytes asked for, of the resource
 * that was opened, is refused by name: the whole body instead of a part, another part, a short body, a
 * resource that changed. Uses `fetch`, so it runs in browsers. Knows nothing of what rows hold.
 */
import { FormatError, InvalidConfigError, StoreError } from "../../errors.ts";
import { checkRead, checkTableSize, type RowStore } from "../store.ts";
import { dealOutRun, type RowRun, rowRuns, serveRuns } from "./row-runs.ts";

export interface HttpStoreOptions {
  readonly rowBytes: number;
  /** Rows in the resource; without it the whole resource from `offset` on is rows. */
  readonly numRows?: number;
  /** Bytes before the first row. */
  readonly offset?: number;
  /** Sent with every request (authorization, say). */
  readonly headers?: Readonly<Record<string, string>>;
  readonly maxInFlight?: number;
  /** How often a request is tried again. */
  readonly retries?: number;
  /** Milliseconds that one try may take. */
  readonly timeout?: number;
  /** Milliseconds before the first retry; each further one waits twice as long. */
  readonly retryDelay?: number;
  readonly fetch?: typeof globalThis.fetch;
}

/** A request costs about as much as this many unwanted bytes do (a round trip of 1 ms at 16 MB/s). */
const MAX_GAP_BYTES = 16 * 1024;
const MAX_CALL_BYTES = 1024 * 1024;

/** Asks for one byte, to see that the server has the resource, its size, and that it knows ranges. */
export async function openHttpStore(url: string, options: HttpStoreOptions): Promise<HttpStore> {
  const { rowBytes, offset = 0 } = options;
  checkTableSize({ numRows: options.numRows ?? 0, rowBytes });
  const source = new RangeSource(url, options);
  const first = await source.get(0, 1);
  const numRows = options.numRows ?? (first.totalBytes - offset) / rowBytes;
  if (options.numRows === undefined && (numRows < 0 || !Number.isInteger(numRows)))
    throw new FormatError(
      `${url}: ${first.totalBytes} bytes are not ${offset} and whole rows of ${rowBytes} bytes; ` +
        "the file is truncated or its rows have another size",
    );
  const needed = offset + numRows * rowBytes;
  if (first.totalBytes < needed)
    throw new FormatError(
      `${url}: ${numRows} rows of ${rowBytes} bytes from byte ${offset} on need ${needed} bytes, ` +
        `it has ${first.totalBytes}; it is truncated`,
    );
  checkTableSize({ numRows, rowBytes });
  return new HttpStore(source, { ...options, numRows, opened: first });
}

/** What names the version of a resource. */
interface ResourceVersion {
  readonly totalBytes: number;
  readonly etag: string | null;
}

export class HttpStore implements RowStore {
  readonly numRows: number;
  readonly rowBytes: number;
  readonly url: string;
  readonly #source: RangeSource;
  readonly #offset: number;
  readonly #maxInFlight: number;
  readonly #opened: ResourceVersion;
  readonly #closing = new AbortController();

  /** Use `openHttpStore`, which looks at the resource first. */
  constructor(
    source: RangeSource,
    options: HttpStoreOptions & { readonly numRows: number; readonly opened: ResourceVersion },
  ) {
    this.url = source.url;
    this.numRows = options.numRows;
    this.rowBytes = options.rowBytes;
    this.#source = source;
    this.#offset = options.offset ?? 0;
    this.#maxInFlight = options.maxInFlight ?? 8;
    this.#opened = options.opened;
  }

  async read(rows: Uint32Array, into: Uint8Array): Promise<void> {
    if (this.#closing.signal.aborted)
      throw new StoreError(`the store of ${this.url} was closed; open it again`);
    checkRead(this, rows, into);
    const { rowBytes } = this;
    await serveRuns(
      rowRuns(rows, { rowBytes, maxGapBytes: MAX_GAP_BYTES, maxCallBytes: MAX_CALL_BYTES }),
      { maxInFlight: this.#maxInFlight, serve: (run) => this.#readRun(run, into) },
    );
  }

  /** Requests under way are given up. */
  async close(): Promise<void> {
    this.#closing.abort();
  }

  async #readRun(run: RowRun, into: Uint8Array): Promise<void> {
    const { rowBytes } = this;
    const begin = this.#offset + run.firstRow * rowBytes;
    const end = this.#offset + (run.lastRow + 1) * rowBytes;
    const { bytes, totalBytes, etag } = await this.#source.get(begin, end, this.#closing.signal);
    if (totalBytes !== this.#opened.totalBytes || etag !== this.#opened.etag)
      throw new StoreError(
        `${this.url} has changed since it was opened (${describe(this.#opened)} then, ` +
          `${describe({ totalBytes, etag })} now); open it again`,
      );
    dealOutRun(run, bytes, { into, rowBytes });
  }
}

interface RangeAnswer extends ResourceVersion {
  readonly bytes: Uint8Array;
}

/** A failure that another try may not have. */
class PassingError extends StoreError {}

/** Byte ranges of one resource, with retries. */
class RangeSource {
  readonly url: string;
  readonly #options: HttpStoreOptions;

  constructor(url: string, options: HttpStoreOptions) {
    if (!/^https?:\/\//.test(url))
      throw new InvalidConfigError(`expected an http or https address, got "${url}"`);
    this.url = url;
    this.#options = options;
  }

  /** Bytes `begin` (inclusive) to `end` (exclusive), all of them, or a `StoreError`. */
  async get(begin: number, end: number, signal?: AbortSignal): Promise<RangeAnswer> {
    const { retries = 2, retryDelay = 100 } = this.#options;
    for (let tries = 0; ; tries++)
      try {
        return await this.#try({ begin, end, signal });
      } catch (error) {
        if (signal?.aborted === true)
          throw new StoreError(`the store of ${this.url} was closed while it was read`, {
            cause: error,
          });
        if (!(error instanceof PassingError)) throw error;
        if (tries === retries)
          throw new StoreError(`${error.message} (tried ${tries + 1} times)`, { cause: error });
        await new Promise((resolve) => setTimeout(resolve, retryDelay * 2 ** tries));
      }
  }

  async #try(range: {
    begin: number;
    end: number;
    signal: AbortSignal | undefined;
  }): Promise<RangeAnswer> {
    const { begin, end, signal } = range;
    const { headers = {}, timeout = 10_000, fetch = globalThis.fetch } = this.#options;
    const where = `${this.url}, bytes ${begin}-${end - 1}`;
    const limit = AbortSignal.timeout(timeout);
    try {
      const response = await fetch(this.url, {
        headers: { ...headers, range: `bytes=${begin}-${end - 1}` },
        signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
      });
      const totalBytes = await checkedTotal(response, { where, begin, end });
      const bytes = new Uint8Array(await response.arrayBuffer());
      if (bytes.length !== end - begin)
        throw new PassingError(
          `${where}: the body has ${bytes.length} bytes instead of ${end - begin}`,
        );
      return { bytes, totalBytes, etag: response.headers.get("etag") };
    } catch (cause) {
      if (cause instanceof StoreError) throw cause;
      const reason = limit.aborted ? `no answer within ${timeout} ms` : messageOf(cause);
      throw new PassingError(`${where}: ${reason}`, { cause });
    }
  }
}

/** The size of the whole resource, once the head of the answer says that it is the right part. */
async function checkedTotal(
  response: Response,
  { where, begin, end }: { where: string; begin: number; end: number },
): Promise<number> {
  const { status } = response;
  const refuse = async (message: string, isPassing = false): Promise<never> => {
    // The body may be the whole table: it is not read.
    await response.body?.cancel().catch(() => undefined);
    throw isPassing ? new PassingError(message) : new StoreError(message);
  };
  if (status === 200)
    return refuse(
      `${where}: the server sends the whole body (200) instead of the range (206); it does not know ` +
        "ranges, so rows cannot be read from it",
    );
  if (status !== 206)
    return refuse(
      `${where}: expected 206 Partial Content, got ${status} ${response.statusText}`.trimEnd(),
      status >= 500 || status === 429 || status === 408,
    );
  const encoding = response.headers.get("content-encoding");
  if (encoding !== null && encoding !== "identity")
    return refuse(`${where}: the server encodes the range as ${encoding}; rows need it as it is`);
  const range = response.headers.get("content-range");
  const [, first, last, total] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(range ?? "") ?? [];
  if (total === undefined || Number(first) !== begin || Number(last) !== end - 1)
    return refuse(`${where}: the server answers with "${range ?? "no content-range"}"`);
  return Number(total);
}

function describe({ totalBytes, etag }: ResourceVersion): string {
  return `${totalBytes} bytes${etag === null ? "" : `, etag ${etag}`}`;
}

/** Node's fetch says "fetch failed" and has the reason in the cause. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
