/**
 * A web server on the loopback that answers `Range` requests as a server should, for tests; each may be answered
 * otherwise by whoever starts it. Knows nothing of what the bytes are.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** Answers a request itself, or leaves it to the server by returning false. */
export type Answer = (request: IncomingMessage, response: ServerResponse) => boolean;

export interface RangeServer extends AsyncDisposable {
  readonly origin: string;
  /** What was asked for, oldest first. */
  readonly requests: readonly IncomingMessage[];
  /** Requests under way are cut. */
  stop(): Promise<void>;
}

/** Serves bytes under every path, or files under their names, below any path. */
export async function startRangeServer(
  content: Uint8Array | Readonly<Record<string, Uint8Array>>,
  answer: Answer = () => false,
): Promise<RangeServer> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    if (answer(request, response)) return;
    const bytes = content instanceof Uint8Array ? content : fileIn(content, request);
    if (bytes === undefined) response.writeHead(404).end("nothing here");
    else sendRange(bytes, request.headers.range, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const stop = (): Promise<void> => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(() => resolve()));
  };
  return {
    origin: `http://127.0.0.1:${port}`,
    requests,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** The range that a request asks for, `end` exclusive. */
export function rangeOf(range: string | undefined): { begin: number; end: number } | undefined {
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range ?? "") ?? [];
  return first === undefined ? undefined : { begin: Number(first), end: Number(last) + 1 };
}

/** The last part of the path that a request asks for. */
export function nameIn({ url = "" }: IncomingMessage): string {
  return decodeURIComponent(url.replace(/\?.*/, "").split("/").at(-1)!);
}

/** The file whose name, folders included, is the longest end of the path that a request asks for. */
export function fileIn(
  files: Readonly<Record<string, Uint8Array>>,
  { url = "" }: IncomingMessage,
): Uint8Array | undefined {
  const parts = decodeURIComponent(url.replace(/\?.*/, "")).split("/");
  const names = parts.map((_, i) => parts.slice(i).join("/") || "index.html");
  const name = names.find((one) => Object.hasOwn(files, one));
  return name === undefined ? undefined : files[name];
}

function sendRange(bytes: Uint8Array, asked: string | undefined, response: ServerResponse): void {
  const range = rangeOf(asked);
  if (range === undefined) {
    response.writeHead(200).end(bytes);
    return;
  }
  const part = bytes.subarray(range.begin, range.end);
  response
    .writeHead(206, {
      "content-range": `bytes ${range.begin}-${range.begin + part.length - 1}/${bytes.length}`,
      "content-length": part.length,
      etag: '"v1"',
    })
    .end(part);
}
