/**
 * The server as the page sees it: JSON in, JSON or a stream of events out, every failure an `ApiFailure`
 * that can be shown. Addresses are relative to the page, so that a proxy may put both under any path.
 * Knows the key that the server may ask for; not what any answer means.
 */
import { eventData } from "./sse.ts";
import { keep, keptIn } from "./kept.ts";

/** What went wrong, in words that can be shown. `status` is 0 where no answer came. */
export class ApiFailure extends Error {
  readonly status: number;
  readonly code: string;

  constructor(message: string, { status, code }: { status: number; code: string }) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** sessionStorage: the key is gone when the tab is. */
const keyName = "engram.key";
let key = keptIn("session", keyName);

type AskForKey = (wasWrong: boolean) => Promise<string>;
let askForKey: AskForKey | undefined;
let asking: Promise<void> | undefined;

/** Says who is to be asked for a key when the server wants one. */
export function onKeyNeeded(howToAsk: AskForKey): void {
  askForKey = howToAsk;
}

/** What carries a request to the server: the network, unless the server is in the page. Its errors say what to do. */
export type Transport = (address: URL, init: TransportInit) => Promise<Response>;

export interface TransportInit {
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly redirect: "error";
  readonly body?: string;
  readonly signal?: AbortSignal;
}

let transport: Transport = (address, init) => fetch(address, init);
/** What is said where no answer came, or not all of it; undefined: what the transport says. */
let noAnswer: string | undefined = "The server does not answer. Is it still running?";

/** To be called before anything is asked. */
export function useTransport(other: Transport): void {
  transport = other;
  noAnswer = undefined;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

export async function getJson<T>(path: string, options: CallOptions = {}): Promise<T> {
  return read<T>(await call(path, { method: "GET", ...options }), "json");
}

export async function postJson<T>(
  path: string,
  body: unknown,
  options: CallOptions = {},
): Promise<T> {
  return read<T>(
    await call(path, { method: "POST", body: JSON.stringify(body), ...options }),
    "json",
  );
}

export async function deleteJson<T>(path: string, options: CallOptions = {}): Promise<T> {
  return read<T>(await call(path, { method: "DELETE", ...options }), "json");
}

export async function getText(path: string, options: CallOptions = {}): Promise<string> {
  return read<string>(await call(path, { method: "GET", ...options }), "text");
}

/** The events of a streamed answer; leaving the loop closes the connection. */
export async function* streamJson<T>(
  path: string,
  { body, signal }: { body?: unknown } & CallOptions,
): AsyncGenerator<T> {
  const response = await call(path, {
    method: body === undefined ? "GET" : "POST",
    signal,
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  try {
    for await (const data of eventData(response.body!)) {
      if (data === "[DONE]") return;
      const event = JSON.parse(data) as { error?: { message: string; code: string | null } };
      if (event.error !== undefined)
        throw new ApiFailure(event.error.message, {
          status: 500,
          code: event.error.code ?? "stream",
        });
      yield event as Awaited<T>;
    }
  } catch (error) {
    throw failureBy(error);
  }
  throw failureBy(new Error("The answer has no end."));
}

interface Call {
  readonly method: "GET" | "POST" | "DELETE";
  readonly body?: string;
  readonly signal?: AbortSignal | undefined;
}

async function call(path: string, init: Call): Promise<Response> {
  for (;;) {
    const sent = key;
    const response = await send(path, init);
    if (response.ok) return response;
    const failure = await failureOf(response);
    if (failure.status !== 401 || askForKey === undefined) throw failure;
    // Several requests may be refused at once; one question answers them all.
    if (key === sent) await (asking ??= ask(sent !== null).finally(() => (asking = undefined)));
  }
}

async function ask(wasWrong: boolean): Promise<void> {
  key = await askForKey!(wasWrong);
  keep("session", keyName, key);
}

async function send(path: string, { signal, ...rest }: Call): Promise<Response> {
  try {
    return await transport(new URL(path.replace(/^\//, ""), document.baseURI), {
      ...rest,
      ...(signal && { signal }),
      // The server never redirects; the key stays with it.
      redirect: "error",
      headers: {
        ...(rest.body !== undefined && { "content-type": "application/json" }),
        ...(key !== null && { authorization: `Bearer ${key}` }),
      },
    });
  } catch (error) {
    throw failureBy(error);
  }
}

/** An answer may break off in the middle. */
async function read<T>(response: Response, how: "json" | "text"): Promise<T> {
  try {
    return (await response[how]()) as T;
  } catch (error) {
    throw failureBy(error);
  }
}

function failureBy(error: unknown): Error {
  if (isAbort(error) || error instanceof ApiFailure) return error as Error;
  return new ApiFailure(noAnswer ?? (error as Error).message, { status: 0, code: "unreachable" });
}

async function failureOf(response: Response): Promise<ApiFailure> {
  const { status, statusText } = response;
  try {
    const { error } = (await response.json()) as {
      error: { message: string; code: string | null };
    };
    return new ApiFailure(error.message, { status, code: error.code ?? "unknown" });
  } catch {
    return new ApiFailure(`The server answered ${status} ${statusText}.`, {
      status,
      code: "unknown",
    });
  }
}

export function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === "AbortError";
}
