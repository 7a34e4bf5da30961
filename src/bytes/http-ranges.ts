/**
 * One resource of a web server, read by `Range` requests. What fails for a reason that may pass is tried again.
 * Believes nothing that it can check: anything but exactly the bytes asked for, of the resource that was opened, as
 * they are, is refused by name; a body is read no further than it may go. Headers of the caller go to the origin they
 * were given for and to no other. Uses `fetch`, so it runs in browsers. Knows nothing of what the bytes are.
 */
import { InvalidConfigError, StoreError } from "../errors.ts";
import type { ByteRanges } from "./byte-ranges.ts";

export interface HttpOptions {
  /** Sent with every request to the origin of the address (authorization, say). */
  readonly headers?: Readonly<Record<string, string>>;
  readonly maxInFlight?: number;
  /** How often a request is tried again. */
  readonly retries?: number;
  /** Milliseconds that one try may take, its body and redirects included. */
  readonly timeout?: number;
  /** Milliseconds before the first retry; each further one waits twice as long. */
  readonly retryDelay?: number;
  readonly fetch?: typeof globalThis.fetch;
}

/** A failure that another try may not have. */
class PassingError extends StoreError {}

/** What names the version of a resource. */
interface ResourceVersion {
  readonly totalBytes: number;
  readonly tag: string | null;
}

interface Range {
  readonly begin: number;
  readonly into: Uint8Array;
}

const MAX_REDIRECTS = 5;

/** Asks for one byte, to see that the server has the resource, its size, and that it knows ranges. */
export async function openHttpRanges(url: string, options: HttpOptions = {}): Promise<HttpRanges> {
  const ranges = new HttpRanges(url, options);
  await ranges.read(0, new Uint8Array(1));
  return ranges;
}

export class HttpRanges implements ByteRanges {
  readonly name: string;
  /** A request costs about as much as this many unwanted bytes do (a round trip of 1 ms at 16 MB/s). */
  readonly maxGapBytes: number = 16 * 1024;
  readonly maxCallBytes: number = 1024 * 1024;
  readonly maxInFlight: number;
  readonly #url: URL;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #options: HttpOptions;
  readonly #closing = new AbortController();
  #opened: ResourceVersion | undefined;

  /** Use `openHttpRanges`, which looks at the resource first. */
  constructor(address: string, options: HttpOptions) {
    const url = URL.canParse(address) ? new URL(address) : undefined;
    if (url === undefined || !/^https?:$/.test(url.protocol))
      throw new InvalidConfigError(
        `expected an http or https address, got ${url === undefined ? "something else" : url.protocol}`,
      );
    this.#headers = { ...credentialsOf(url), ...options.headers };
    url.username = url.password = "";
    this.name = nameOf(url);
    for (const [key, value] of Object.entries(this.#headers)) checkHeader(this.name, key, value);
    this.#url = url;
    this.#options = options;
    this.maxInFlight = options.maxInFlight ?? 8;
  }

  get size(): number {
    return this.#opened!.totalBytes;
  }

  async read(begin: number, into: Uint8Array): Promise<void> {
    const { retries = 2, retryDelay = 100 } = this.#options;
    const { signal } = this.#closing;
    if (signal.aborted) throw new StoreError(`the store of ${this.name} was closed; open it again`);
    for (let tries = 0; ; tries++)
      try {
        return await this.#try({ begin, into });
      } catch (error) {
        if (signal.aborted)
          throw new StoreError(`the store of ${this.name} was closed while it was read`);
        if (!(error instanceof PassingError)) throw error;
        if (tries === retries)
          throw new StoreError(`${error.message} (tried ${tries + 1} times)`, { cause: error });
        await new Promise((resolve) => setTimeout(resolve, retryDelay * 2 ** tries));
      }
  }

  /** Requests under way are given up. */
  async close(): Promise<void> {
    this.#closing.abort();
  }

  async #try(range: Range): Promise<void> {
    const where = `${this.name}, bytes ${range.begin}-${range.begin + range.into.length - 1}`;
    const { timeout = 10_000 } = this.#options;
    const limit = AbortSignal.timeout(timeout);
    const signal = AbortSignal.any([this.#closing.signal, limit]);
    try {
      const response = await this.#request(range, { where, signal });
      try {
        this.#checkVersion(checkedVersion(response, { where, range }));
        await readBody(response, { where, into: range.into });
      } catch (error) {
        // The body may be the whole table, or have no end: it is not read.
        await response.body?.cancel().catch(() => undefined);
        throw error;
      }
    } catch (cause) {
      if (cause instanceof StoreError) throw cause;
      const reason = limit.aborted ? `no answer within ${timeout} ms` : messageOf(cause);
      throw new PassingError(`${where}: ${reason}`, { cause });
    }
  }

  /**
   * With headers to keep, redirects are followed here, step by step; `fetch` takes only some of them off on the way to
   * another origin. A browser does not show where a redirect leads: it is refused there.
   */
  async #request(
    { begin, into }: Range,
    { where, signal }: { where: string; signal: AbortSignal },
  ): Promise<Response> {
    const { fetch = globalThis.fetch } = this.#options;
    const redirect = Object.keys(this.#headers).length > 0 ? "manual" : "follow";
    const range = `bytes=${begin}-${begin + into.length - 1}`;
    let url = this.#url;
    for (let steps = 0; steps <= MAX_REDIRECTS; steps++) {
      const own = url.origin === this.#url.origin ? this.#headers : {};
      const headers = { ...own, range, "accept-encoding": "identity" };
      const response = await fetch(url.href, { headers, redirect, signal });
      const location = response.headers.get("location");
      const isRedirect = [301, 302, 303, 307, 308].includes(response.status) && location !== null;
      if (response.redirected) checkStep(where, url, response.url);
      if (!isRedirect && response.type !== "opaqueredirect") return response;
      await response.body?.cancel();
      if (location === null)
        throw new StoreError(
          `${where}: the server redirects, and this platform does not say where to; headers must not ` +
            "follow to another origin, so give the address that it leads to",
        );
      url = checkStep(where, url, location);
    }
    throw new StoreError(`${where}: redirected more than ${MAX_REDIRECTS} times`);
  }

  #checkVersion(found: ResourceVersion): void {
    const opened = (this.#opened ??= found);
    if (found.totalBytes !== opened.totalBytes || found.tag !== opened.tag)
      throw new StoreError(
        `${this.name} has changed since it was opened (${describe(opened)} then, ` +
          `${describe(found)} now); open it again`,
      );
  }
}

/** Where a redirect leads: never from https to http. */
function checkStep(where: string, from: URL, location: string): URL {
  const to = URL.canParse(location, from.href) ? new URL(location, from) : undefined;
  const isSafe =
    to?.protocol === "https:" || (to?.protocol === "http:" && from.protocol === "http:");
  if (to !== undefined && isSafe) return to;
  throw new StoreError(
    `${where}: the server redirects from ${from.protocol} to ${to === undefined ? "no address" : nameOf(to)}; ` +
      "that is not followed",
  );
}

/** The resource's version, once the head of the answer says that it is the right part. */
function checkedVersion(
  { status, statusText, headers }: Response,
  { where, range: { begin, into } }: { where: string; range: Range },
): ResourceVersion {
  if (status === 200)
    throw new StoreError(
      `${where}: the server sends the whole body (200) instead of the range (206); it does not know ` +
        "ranges, so rows cannot be read from it",
    );
  if (status !== 206) {
    const message = `${where}: expected 206 Partial Content, got ${status} ${statusText}`.trimEnd();
    if (status >= 500 || status === 429 || status === 408) throw new PassingError(message);
    throw new StoreError(message);
  }
  const encoding = headers.get("content-encoding");
  if (encoding !== null && encoding !== "identity")
    throw new StoreError(
      `${where}: the server encodes the range as ${encoding}; rows need it as it is`,
    );
  const range = headers.get("content-range");
  const [, first, last, total] = /^bytes (\d+)-(\d+)\/(\d{1,15})$/.exec(range ?? "") ?? [];
  const end = begin + into.length;
  if (total === undefined || Number(first) !== begin || Number(last) !== end - 1)
    throw new StoreError(`${where}: the server answers with "${range ?? "no content-range"}"`);
  return { totalBytes: Number(total), tag: headers.get("etag") ?? headers.get("last-modified") };
}

/** Exactly as many bytes as there is room for. */
async function readBody(
  { headers, body }: Response,
  { where, into }: { where: string; into: Uint8Array },
): Promise<void> {
  const length = headers.get("content-length");
  const tooLong = (size: string): StoreError =>
    new StoreError(`${where}: the body has ${size} bytes instead of ${into.length}`);
  if (length !== null && Number(length) > into.length) throw tooLong(length);
  const reader = body?.getReader();
  let done = 0;
  try {
    for (let part = await reader?.read(); part?.value !== undefined; part = await reader!.read()) {
      if (done + part.value.length > into.length) throw tooLong(`more than ${into.length}`);
      into.set(part.value, done);
      done += part.value.length;
    }
  } finally {
    reader?.releaseLock();
  }
  if (done !== into.length)
    throw new PassingError(`${where}: the body has ${done} bytes instead of ${into.length}`);
}

/** User and password of an address, as the header that carries them. */
function credentialsOf({ username, password }: URL): Record<string, string> {
  if (username === "" && password === "") return {};
  let bytes: Uint8Array;
  try {
    bytes = new TextEncoder().encode(
      `${decodeURIComponent(username)}:${decodeURIComponent(password)}`,
    );
  } catch {
    throw new InvalidConfigError("user and password of an address are percent-encoded UTF-8");
  }
  return { authorization: `Basic ${btoa(String.fromCharCode(...bytes))}` };
}

/** `fetch` would show the value in its error. */
function checkHeader(name: string, key: string, value: string): void {
  // Visible Latin-1, spaces and tabs inside: what `Headers` takes as it is.
  if (/^[\w!#$%&'*+.^`|~-]+$/.test(key) && /^[\t\x20-\x7e\x80-\xff]*$/.test(value)) return;
  throw new InvalidConfigError(
    `${name}: the value for the header ${JSON.stringify(key)} is none that a header can carry`,
  );
}

/** An address without what may be secret in it. */
function nameOf({ origin, pathname }: URL): string {
  return `${origin}${pathname}`;
}

function describe({ totalBytes, tag }: ResourceVersion): string {
  return `${totalBytes} bytes${tag === null ? "" : `, version ${tag}`}`;
}

/** Node's fetch says "fetch failed" and has the reason in the cause. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
