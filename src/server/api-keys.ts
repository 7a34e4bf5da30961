/**
 * Several keys for one server: whose scopes each may read and write, how much it may teach, and whether it may see what
 * all do. Keys are kept as digests. Knows no file.
 */
import type { Quota } from "../facts/index.ts";

/** Who asks. */
export interface Principal {
  /** For its own prefix cache; undefined for the only one there is. */
  readonly name: string | undefined;
  /** What it may do in which scopes; undefined: everything in all. The first is its default. */
  readonly scopes: ReadonlyMap<string, "read" | "write"> | undefined;
  /** May see and change what belongs to all: snapshots, metrics, what was read. */
  readonly isAdmin: boolean;
  readonly quota: Quota;
}

/** Of a server with one key, or none. */
export const onlyPrincipal: Principal = {
  name: undefined,
  scopes: undefined,
  isAdmin: true,
  quota: {},
};

/** By the SHA-256 of their keys: to look one up takes as long whatever was given. */
export type ApiKeys = ReadonlyMap<string, Principal>;

export async function digestOf(key: string): Promise<string> {
  const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(key));
  return Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
