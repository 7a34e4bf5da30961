/** The files below an address of a web server. Knows nothing of what they hold. */
import type { ByteRanges } from "./byte-ranges.ts";
import type { ByteSource } from "./byte-source.ts";
import { readWholeBody } from "./http-body.ts";
import {
  type HttpOptions,
  HttpRequests,
  NothingThereError,
  unexpectedStatus,
} from "./http-requests.ts";

/**
 * Files are at `address/NAME`; a query in the address is sent with each. Throws `InvalidConfigError` for addresses that
 * are not http or https. A file is missing if the server says so (404, 410). Any other refusal is a `StoreError`.
 */
export function httpSource(address: string, options: HttpOptions = {}): ByteSource {
  const { name } = new HttpRequests(address, options);
  const addressOf = (file: string): string => {
    const url = new URL(address);
    url.pathname = `${url.pathname.replace(/\/$/, "")}/${encodeURIComponent(file)}`;
    return url.href;
  };
  return {
    name,
    isTrusted: false,
    nameOf: (file) => `${name.replace(/\/$/, "")}/${file}`,
    async read(file, most): Promise<Uint8Array | undefined> {
      const requests = new HttpRequests(addressOf(file), options);
      const where = requests.name;
      return ifThere(
        requests.get({ where, headers: {} }, (response) => {
          if (response.status !== 200)
            throw unexpectedStatus(response, { where, expected: "200 OK" });
          return readWholeBody(response, { where, most });
        }),
      );
    },
    async open(file): Promise<ByteRanges | undefined> {
      // Whoever keeps files reads them whole.
      const { openHttpRanges } = await import("./http-ranges.ts");
      return ifThere(openHttpRanges(addressOf(file), options));
    },
  };
}

async function ifThere<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof NothingThereError) return undefined;
    throw error;
  }
}
