/**
 * Request bodies: read up to a limit, then parsed and checked; large ones in a worker. Other bodies are refused with
 * 400, 413 or 415 and never reach a route.
 */
import type { LazyWorker } from "../worker/index.ts";
import { ApiError } from "./api-error.ts";
import {
  type Bodies,
  type BodyAnswer,
  type BodyName,
  type BodyTask,
  parseBody,
} from "./body-task.ts";

/** Largest body that is parsed on the server's thread. The worst takes 5 ms (`bench/health-under-attack.ts`). */
const bytesHere = 16_384;
/** Time limit in milliseconds. The worst body of 4 MiB takes a tenth of it. */
const limit = 10_000;

export interface BodyReader {
  readonly maxBytes: number;
  readonly worker: LazyWorker;
}

/** Throws `ApiError` for a body that is too large, not JSON, or not valid by its schema. */
export async function readBody<Name extends BodyName>(
  request: Request,
  name: Name,
  { maxBytes, worker }: BodyReader,
): Promise<Bodies[Name]> {
  const bytes = await readBytes(request, maxBytes);
  if (bytes.length <= bytesHere) return parseBody(name, bytes);
  const answer = (await worker.run("parseBody", { name, bytes } satisfies BodyTask, {
    limit,
    tooSlow: "the request body was not read",
    signal: request.signal,
    transfer: [bytes.buffer],
  })) as BodyAnswer;
  if ("json" in answer) return JSON.parse(answer.json) as Bodies[Name];
  const { message, ...fields } = answer.error;
  throw new ApiError(message, fields);
}

async function readBytes(request: Request, maxBytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const tooLarge = (): ApiError =>
    new ApiError(`the request body is larger than ${maxBytes} bytes; send less at once`, {
      status: 413,
      code: "body_too_large",
    });
  if (!/^(?:identity)?$/i.test(request.headers.get("content-encoding") ?? "")) throw compressed();
  if (Number(request.headers.get("content-length") ?? 0) > maxBytes) throw tooLarge();
  if (request.body === null) return new Uint8Array(0);
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of request.body) {
      // The first bytes of gzip, whether declared or not. Neither JSON nor UTF-8 can start with them.
      if (length === 0 && chunk[0] === 0x1f && chunk[1] === 0x8b) throw compressed();
      length += chunk.byteLength;
      if (length > maxBytes) throw tooLarge();
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof ApiError) throw error;
    throw new ApiError("the request body broke off", { code: "invalid_body" });
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/** Compressed bodies are refused: their real size is not known in advance, and requests are small. */
function compressed(): ApiError {
  return new ApiError(
    "the request body is compressed; send it as it is, without Content-Encoding",
    {
      status: 415,
      code: "unsupported_encoding",
      headers: { "accept-encoding": "identity" },
    },
  );
}
