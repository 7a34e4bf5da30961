/**
 * Requests from a page to a server in its worker, as calls: the answer's head first, then its body in parts, as they
 * come. Leaving the body, or aborting, aborts the request there. Knows no route.
 */
import type { CallContext, Caller, Calls } from "./calls.ts";

interface Asked {
  /** From the server's root on, without a slash before it. */
  readonly path: string;
  readonly method: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string | null;
}

interface Head {
  readonly status: number;
  readonly statusText: string;
  readonly headers: readonly (readonly [string, string])[];
}

/** What a worker answers requests with. */
export function requestCalls(handle: (request: Request) => Promise<Response>): Calls {
  return {
    async fetch({ path, method, headers, body }: Asked, { signal, tell }: CallContext) {
      const init = {
        method,
        headers: headers.map(([key, value]): [string, string] => [key, value]),
      };
      // A name of this machine: the server is nowhere else.
      const address = `http://localhost/${path}`;
      const response = await handle(new Request(address, { ...init, body, signal }));
      const { status, statusText } = response;
      tell({ status, statusText, headers: [...response.headers] } satisfies Head);
      const reader = response.body?.getReader();
      try {
        for (
          let part = await reader?.read();
          part?.value !== undefined;
          part = await reader!.read()
        ) {
          signal.throwIfAborted();
          tell(part.value);
        }
      } finally {
        await reader?.cancel().catch(() => undefined);
      }
    },
  };
}

/** What `fetch` would answer if the server of `caller`'s worker were on the network. */
export async function fetchFrom(
  caller: Caller,
  path: string,
  { method = "GET", headers, body, signal }: FetchInit,
): Promise<Response> {
  const leaving = new AbortController();
  const stop = signal ? AbortSignal.any([signal, leaving.signal]) : leaving.signal;
  const asked: Asked = { path, method, headers: [...new Headers(headers)], body: body ?? null };
  return new Promise((resolve, reject) => {
    let out: ReadableStreamDefaultController<Uint8Array> | undefined;
    const onPiece = (piece: Head | Uint8Array): void => {
      if (piece instanceof Uint8Array) return out!.enqueue(piece);
      const stream = new ReadableStream<Uint8Array>({
        start: (controller) => void (out = controller),
        cancel: () => leaving.abort(),
      });
      const { status, statusText } = piece;
      const head = piece.headers.map(([key, value]): [string, string] => [key, value]);
      const isEmpty = [101, 204, 205, 304].includes(status);
      resolve(new Response(isEmpty ? null : stream, { status, statusText, headers: head }));
    };
    caller.call("fetch", asked, { signal: stop, onPiece }).then(
      () => out?.close(),
      (error: unknown) => {
        if (leaving.signal.aborted) return;
        if (out === undefined) reject(error);
        else out.error(error);
      },
    );
  });
}

export interface FetchInit {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal?: AbortSignal;
}
