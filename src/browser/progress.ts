/** What is done to answers as they come: a `fetch` that tells how much of each has, and unpacking. Knows no addresses. */

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
    const { body, url, headers } = response;
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
    return withBody(response, counted, headers);
  };
}

function withBody(
  { url, redirected, type, status, statusText }: Response,
  body: ReadableStream<Uint8Array>,
  headers: Headers,
): Response {
  const made = new Response(body, { status, statusText, headers });
  // What a response says of its own way cannot be given to a new one.
  for (const [name, value] of Object.entries({ url, redirected, type }))
    Object.defineProperty(made, name, { value });
  return made;
}

/** Without gzip. Some servers unpack such a file themselves: its first bytes say what has come. */
export async function unpacked(response: Response): Promise<Response> {
  const [looked, whole] = response.body!.tee();
  const reader = looked.getReader();
  const { value: first = new Uint8Array(0) } = await reader.read();
  void reader.cancel();
  if (first[0] !== 0x1f || (first.length > 1 && first[1] !== 0x8b))
    return withBody(response, whole, response.headers);
  const headers = new Headers(response.headers);
  // Its length is that of the packed file.
  headers.delete("content-length");
  return withBody(response, whole.pipeThrough(new DecompressionStream("gzip")), headers);
}
