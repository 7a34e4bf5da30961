/**
 * Files that a site has packed by gzip beside them (`NAME.gz`), unpacked as they come: hosts of static files pack texts
 * alone. Knows names; not what the files hold.
 */
import { unpacked } from "./progress.ts";

/** Numbers and counts, of which gzip saves a fifth and a half. */
const PACKED = /\.(?:safetensors|ngrams)$/;

/** What a build packs. */
export function isPacked(file: string): boolean {
  return PACKED.test(file);
}

/** Asks for the packed file in place of a whole one, at addresses without a query. Parts of a file are asked for as before. */
export function fetchPacked(fetch: typeof globalThis.fetch): typeof globalThis.fetch {
  return async (input, init) => {
    if (!isPacked(input as string) || new Headers(init?.headers).has("range"))
      return fetch(input, init);
    const response = await fetch(`${input as string}.gz`, init);
    return response.ok ? unpacked(response) : response;
  };
}
