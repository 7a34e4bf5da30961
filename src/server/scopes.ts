/**
 * Whose facts a request reads and writes: what it asks for, and what its key allows. A scope that a key may not use is
 * refused in the same words whether it exists or not.
 */
import { DEFAULT_SCOPE } from "../facts/index.ts";
import { type Memory, withoutParts } from "../memory/index.ts";
import { ApiError } from "./api-error.ts";
import type { Principal } from "./api-keys.ts";
import type { EngramOptions } from "./protocol.ts";
import type { Serving } from "./serving.ts";

/** What the texts of a request read. */
export interface Reads {
  /** In place of the model's memory, as it is now. */
  readonly memory: Memory | undefined;
  readonly partition: string | undefined;
}

/** Throws `ApiError` (403) for a scope that the key may not read, `RequestError` for packs and parts that there are not. */
export function readsOf(
  { model }: Serving,
  { scopes, name }: Principal,
  asked: Pick<EngramOptions, "scopes" | "packs" | "ablate"> | null | undefined,
): Reads {
  const wanted = asked?.scopes ?? [defaultScope(scopes)];
  for (const scope of wanted) if (!(scopes?.has(scope) ?? true)) throw forbidden(scope, "read");
  const { packs, ablate } = asked ?? {};
  const change = ablate && ((memory: Memory) => withoutParts(memory, ablate));
  return { memory: model.memoryFor({ scopes: wanted, packs, change }), partition: name };
}

/** Throws `ApiError` (403) for a scope that the key may not write. */
export function writableScope({ scopes }: Principal, asked: string | null | undefined): string {
  const scope = asked ?? defaultScope(scopes);
  if (scopes === undefined || scopes.get(scope) === "write") return scope;
  throw forbidden(scope, "write");
}

function defaultScope(scopes: Principal["scopes"]): string {
  if (scopes === undefined || scopes.has(DEFAULT_SCOPE)) return DEFAULT_SCOPE;
  return [...scopes.keys()][0]!;
}

export function forbidden(scope: string, right: "read" | "write"): ApiError {
  return new ApiError(`this key may not ${right} the scope "${scope}"`, {
    status: 403,
    param: "scope",
    code: "scope_forbidden",
  });
}
