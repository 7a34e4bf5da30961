/**
 * Request bodies: read up to a limit, parsed, checked by a schema. Whatever comes instead is refused
 * with 400, 413 or 415, and never reaches a route.
 */
import * as z from "zod";
import { ApiError } from "./api-error.ts";
import { schemaError } from "./schema-error.ts";

/** Throws `ApiError` for a body that is too large, no JSON, or not what `schema` says. */
export async function readBody<Schema extends z.ZodType>(
  request: Request,
  { schema, maxBytes }: { schema: Schema; maxBytes: number },
): Promise<z.output<Schema>> {
  const text = await readText(request, maxBytes);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new ApiError(`the request body is no JSON: ${(error as Error).message}`, {
      code: "invalid_json",
    });
  }
  const parsed = z.safeParse(schema, json);
  if (!parsed.success) throw schemaError(parsed.error);
  return parsed.data;
}

async function readText(request: Request, maxBytes: number): Promise<string> {
  const tooLarge = (): ApiError =>
    new ApiError(`the request body is larger than ${maxBytes} bytes; send less at once`, {
      status: 413,
      code: "body_too_large",
    });
  if (!/^(?:identity)?$/i.test(request.headers.get("content-encoding") ?? "")) throw compressed();
  if (Number(request.headers.get("content-length") ?? 0) > maxBytes) throw tooLarge();
  if (request.body === null) return "";
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let text = "";
  let bytes = 0;
  try {
    for await (const chunk of request.body) {
      bytes += chunk.byteLength;
      if (bytes > maxBytes) throw tooLarge();
      // How gzip begins, said or not; no JSON does, and no UTF-8.
      if (text === "" && chunk[0] === 0x1f && chunk[1] === 0x8b) throw compressed();
      text += decoder.decode(chunk, { stream: true });
    }
    return text + decoder.decode();
  } catch (error) {
    if (error instanceof ApiError) throw error;
    throw new ApiError("the request body could not be read as UTF-8 text", {
      code: "invalid_body",
    });
  }
}

/** The size of what would come out is nobody's to know beforehand; requests are small. */
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
