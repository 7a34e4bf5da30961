/** Reads bodies of HTTP responses with a limit: a server may send less than it should, more, or without end. */
import { StoreError } from "../errors.ts";
import { readAtMost } from "./byte-source.ts";
import { PassingError } from "./http-requests.ts";

/** Fills `into`. The body must have exactly as many bytes. */
export async function readBody(
  response: Response,
  { where, into }: { where: string; into: Uint8Array },
): Promise<void> {
  const length = response.headers.get("content-length");
  const tooLong = (size: string): StoreError =>
    new StoreError(`${where}: the body has ${size} bytes instead of ${into.length}`);
  if (length !== null && Number(length) > into.length) throw tooLong(length);
  let done = 0;
  for await (const part of partsOf(response)) {
    if (done + part.length > into.length) throw tooLong(`more than ${into.length}`);
    into.set(part, done);
    done += part.length;
  }
  if (done !== into.length)
    throw new PassingError(`${where}: the body has ${done} bytes instead of ${into.length}`);
}

/** The whole body, if it has at most `most` bytes. */
export async function readWholeBody(
  response: Response,
  { where, most }: { where: string; most: number },
): Promise<Uint8Array> {
  const whole = await readAtMost(most, { where, parts: partsOf(response) });
  const { headers } = response;
  const length = headers.get("content-encoding") === null ? headers.get("content-length") : null;
  if (length !== null && Number(length) !== whole.length)
    throw new PassingError(`${where}: the body has ${whole.length} bytes instead of ${length}`);
  return whole;
}

/** Reads with a reader, because not every browser can iterate a stream with `for await`. */
export async function* partsOf({ body }: Response): AsyncGenerator<Uint8Array> {
  const reader = body?.getReader();
  try {
    for (let part = await reader?.read(); part?.value !== undefined; part = await reader!.read())
      yield part.value;
  } finally {
    reader?.releaseLock();
  }
}
