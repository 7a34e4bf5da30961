/**
 * Requests to one address of a web server. A temporary failure is retried, and each attempt has a time limit.
 * The caller's headers go only to the origin they were given for. Uses `fetch`, so it runs in browsers.
 * Knows nothing of the content.
 */
import { EngramError, InvalidConfigError, StoreError } from "../errors.ts";

/** How requests to a web server are sent, limited and repeated. */
export interface HttpOptions {
  /** Sent with every request to the origin of the address (for example, authorization). */
  readonly headers?: Readonly<Record<string, string>>;
  readonly maxInFlight?: number;
  /** How often a failed request is retried. */
  readonly retries?: number;
  /** Time limit of one attempt in milliseconds, including its body and redirects. See `Progressed`. */
  readonly timeout?: number;
  /** Milliseconds before the first retry. The delay doubles with each further one. */
  readonly retryDelay?: number;
  /** Most milliseconds that the server may ask to wait before a retry (Retry-After). Default: `timeout`. */
  readonly patience?: number;
  /** Called before waiting for a retry. */
  readonly onRetry?: (reason: string, milliseconds: number) => void;
  readonly fetch?: typeof globalThis.fetch;
  /** Aborts running requests; they reject with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** A temporary failure: a retry may succeed. */
export class PassingError extends StoreError {
  /** Milliseconds that the server asks to wait before a retry. */
  readonly wait: number;

  constructor(message: string, { wait = 0, ...options }: ErrorOptions & { wait?: number } = {}) {
    super(message, options);
    this.wait = wait;
  }
}

/** The server says that nothing exists at the address. */
export class NothingThereError extends StoreError {}

const MAX_REDIRECTS = 5;
const TIMEOUT = 10_000;

export interface Asked {
  /** Names the resource in messages. */
  readonly where: string;
  /** Sent in addition to the caller's. A function is called before each attempt. */
  readonly headers: AskedHeaders | (() => AskedHeaders);
}

type AskedHeaders = Readonly<Record<string, string>>;

/**
 * Call it when an attempt goes on: its time limit starts again. If it has brought something that no attempt before it
 * has, the number of retries does, too.
 */
export type Progressed = (what: { readonly isNew: boolean }) => void;

/** Reads as much of a response as it needs. */
export type Take<T> = (response: Response, progressed: Progressed) => Promise<T>;

export class HttpRequests {
  /** The address, for messages. */
  readonly name: string;
  readonly #url: URL;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #options: HttpOptions;
  readonly #closing = new AbortController();
  /** Aborted by `close` or by the caller's signal. */
  readonly #ended: AbortSignal;

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
    const { signal } = options;
    this.#ended = signal ? AbortSignal.any([this.#closing.signal, signal]) : this.#closing.signal;
  }

  /** Sends a request and returns the result of `take`, which reads as much of the response as it needs. */
  async get<T>(asked: Asked, take: Take<T>): Promise<T> {
    const { timeout = TIMEOUT, retries = 2, retryDelay = 100 } = this.#options;
    const { patience = timeout, onRetry, signal } = this.#options;
    signal?.throwIfAborted();
    if (this.#ended.aborted)
      throw new StoreError(`the store of ${this.name} was closed; open it again`);
    for (let tries = 0; ; tries++)
      try {
        return await this.#try(asked, (response, progressed) =>
          take(response, (what) => {
            if (what.isNew) tries = 0;
            progressed(what);
          }),
        );
      } catch (error) {
        signal?.throwIfAborted();
        if (this.#ended.aborted)
          throw new StoreError(`the store of ${this.name} was closed while it was read`);
        if (!(error instanceof PassingError)) throw error;
        const { message, wait } = error;
        if (tries === retries)
          throw new StoreError(`${message} (tried ${tries + 1} times)`, { cause: error });
        if (wait > patience)
          throw new StoreError(
            `${message}; the server asks to wait for ${Math.ceil(wait / 1000)} s`,
            { cause: error },
          );
        const pause = Math.max(wait, retryDelay * 2 ** tries);
        onRetry?.(message, pause);
        await passed(pause, this.#ended);
      }
  }

  /** Aborts requests in flight. */
  close(): void {
    this.#closing.abort();
  }

  async #try<T>({ where, headers }: Asked, take: Take<T>): Promise<T> {
    const { timeout = TIMEOUT } = this.#options;
    const limit = new AbortController();
    const start = (): ReturnType<typeof setTimeout> => setTimeout(() => limit.abort(), timeout);
    let timer = start();
    const progressed = (): void => {
      clearTimeout(timer);
      timer = start();
    };
    const signal = AbortSignal.any([this.#ended, limit.signal]);
    const asked = typeof headers === "function" ? headers() : headers;
    try {
      const response = await this.#request(asked, { where, signal });
      try {
        return await take(response, progressed);
      } catch (error) {
        // The body may be the whole table, or have no end, so it is not read.
        await response.body?.cancel().catch(() => undefined);
        throw error;
      }
    } catch (cause) {
      if (cause instanceof EngramError) throw cause;
      const reason = limit.signal.aborted ? `no answer within ${timeout} ms` : messageOf(cause);
      throw new PassingError(`${where}: ${reason}`, { cause });
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * If there are headers to protect, redirects are followed here step by step, because `fetch` removes only some of
   * them on the way to another origin. A browser does not show the target of a redirect, so there it is refused.
   */
  async #request(
    asked: Readonly<Record<string, string>>,
    { where, signal }: { where: string; signal: AbortSignal },
  ): Promise<Response> {
    const { fetch = globalThis.fetch } = this.#options;
    const redirect = Object.keys(this.#headers).length > 0 ? "manual" : "follow";
    let url = this.#url;
    for (let steps = 0; steps <= MAX_REDIRECTS; steps++) {
      const own = url.origin === this.#url.origin ? this.#headers : {};
      const response = await fetch(url.href, { headers: { ...own, ...asked }, redirect, signal });
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
}

/** The error for a response whose status is not the `expected` one. */
export function unexpectedStatus(
  { status, statusText, headers }: Response,
  { where, expected }: { where: string; expected: string },
): StoreError {
  const message = `${where}: expected ${expected}, got ${status} ${statusText}`.trimEnd();
  if (status >= 500 || status === 429 || status === 408)
    return new PassingError(message, { wait: waitOf(headers.get("retry-after")) });
  return status === 404 || status === 410
    ? new NothingThereError(message)
    : new StoreError(message);
}

/** Milliseconds of a Retry-After header, which has seconds or a date; 0 for anything else. */
function waitOf(header: string | null): number {
  const seconds = /^\d{1,9}$/.test(header ?? "") ? Number(header) : Number.NaN;
  const wait = Number.isNaN(seconds) ? Date.parse(header ?? "") - Date.now() : seconds * 1000;
  return wait > 0 ? wait : 0;
}

function passed(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    signal.addEventListener("abort", end);
  });
}

/** An address without the parts that may be secret. */
export function nameOf({ origin, pathname }: URL): string {
  return `${origin}${pathname}`;
}

/** The target of a redirect. A redirect from https to http is refused. */
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

/** The authorization header for the user and password of an address. */
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

/** Checks a header before `fetch` does, whose error would contain the value. */
function checkHeader(name: string, key: string, value: string): void {
  // Visible Latin-1, with spaces and tabs inside: what `Headers` accepts unchanged.
  if (/^[\w!#$%&'*+.^`|~-]+$/.test(key) && /^[\t\x20-\x7e\x80-\xff]*$/.test(value)) return;
  throw new InvalidConfigError(
    `${name}: the value for the header ${JSON.stringify(key)} is none that a header can carry`,
  );
}

/** Node's fetch says only "fetch failed"; the reason is in the cause. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
