/** A `fetch` that tells how much of each body has come. Knows no addresses. */

export const wasmType = { "content-type": "application/wasm" };

export function isWasm({ headers }: Response): boolean {
  return headers.get("content-type") === wasmType["content-type"];
}

/** How much of a file has been fetched. */
export interface Progress {
  /** The last part of its address. */
  readonly file: string;
  readonly bytes: number;
  /** Undefined where the server does not say. */
  readonly totalBytes: number | undefined;
}

export function fetchWithProgress(tell: (progress: Progress) => void): typeof globalThis.fetch {
  return async (input, init) => {
    const response = await fetch(input, init);
    const { body, url, redirected, type, status, statusText, headers } = response;
    // Only as it came can a browser keep what it compiles of it.
    if (body === null || !response.ok || isWasm(response)) return response;
    const file = decodeURIComponent(new URL(url).pathname.split("/").at(-1)!);
    const length = headers.get("content-encoding") === null ? headers.get("content-length") : null;
    const totalBytes = length === null ? undefined : Number(length);
    let bytes = 0;
    const counted = body.pipeThrough(
      new TransformStream<Uint8Array, Uint8Array>({
        transform(part, out) {
          bytes += part.length;
          tell({ file, bytes, totalBytes });
          out.enqueue(part);
        },
      }),
    );
    const told = new Response(counted, { status, statusText, headers });
    // What a response says of its own way cannot be given to a new one.
    for (const [name, value] of Object.entries({ url, redirected, type }))
      Object.defineProperty(told, name, { value });
    return told;
  };
}
