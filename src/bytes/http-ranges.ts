/**
 * One resource of a web server, read by `Range` requests. Everything that can be checked is checked: an answer must
 * have exactly the bytes asked for, of the resource version that was opened, and without encoding. Otherwise the error
 * says what was wrong. Bodies are read with a limit. Knows nothing of what the bytes are.
 */
import { StoreError } from "../errors.ts";
import type { ByteRanges } from "./byte-ranges.ts";
import { readBody } from "./http-body.ts";
import { type HttpOptions, HttpRequests, unexpectedStatus } from "./http-requests.ts";

/** Headers that identify the version of a resource. */
interface ResourceVersion {
  readonly totalBytes: number;
  readonly tag: string | null;
}

interface Range {
  readonly begin: number;
  readonly into: Uint8Array;
}

/** Asks for one byte, to check that the resource exists and the server supports ranges, and to learn the size. */
export async function openHttpRanges(
  address: string,
  options: HttpOptions = {},
): Promise<ByteRanges> {
  const ranges = new HttpRanges(new HttpRequests(address, options), options);
  await ranges.read(0, new Uint8Array(1));
  return ranges;
}

class HttpRanges implements ByteRanges {
  /** A request costs about as much time as this many bytes (a round trip of 1 ms at 16 MB/s). */
  readonly maxGapBytes: number = 16 * 1024;
  readonly maxCallBytes: number = 1024 * 1024;
  readonly maxInFlight: number;
  readonly #requests: HttpRequests;
  #opened: ResourceVersion | undefined;

  constructor(requests: HttpRequests, { maxInFlight = 8 }: HttpOptions) {
    this.#requests = requests;
    this.maxInFlight = maxInFlight;
  }

  get name(): string {
    return this.#requests.name;
  }

  get size(): number {
    return this.#opened!.totalBytes;
  }

  read(begin: number, into: Uint8Array): Promise<void> {
    const range = `${begin}-${begin + into.length - 1}`;
    const where = `${this.name}, bytes ${range}`;
    const headers = { range: `bytes=${range}`, "accept-encoding": "identity" };
    return this.#requests.get({ where, headers }, async (response) => {
      this.#checkVersion(checkedVersion(response, { where, range: { begin, into } }));
      await readBody(response, { where, into });
    });
  }

  async close(): Promise<void> {
    this.#requests.close();
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

/** Checks from the response's headers that it is the right range, and returns the resource's version. */
function checkedVersion(
  response: Response,
  { where, range: { begin, into } }: { where: string; range: Range },
): ResourceVersion {
  const { status, headers } = response;
  if (status === 200)
    throw new StoreError(
      `${where}: the server sends the whole body (200) instead of the range (206); it does not know ` +
        "ranges, so rows cannot be read from it",
    );
  if (status !== 206) throw unexpectedStatus(response, { where, expected: "206 Partial Content" });
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

function describe({ totalBytes, tag }: ResourceVersion): string {
  return `${totalBytes} bytes${tag === null ? "" : `, version ${tag}`}`;
}
