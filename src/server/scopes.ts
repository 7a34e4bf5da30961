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
  /** Learns a text that was read. Absent: nothing learns it. Never rejects. */
  readonly learn?: (ids: readonly number[]) => Promise<void>;
}

/** Throws `ApiError` (403) for a scope that the key may not read, `RequestError` for packs and parts that there are not. */
export function readsOf(
  serving: Serving,
  principal: Principal,
  asked: Partial<EngramOptions> | null | undefined,
): Reads {
  const { model, report } = serving;
  const { scopes, name, quota } = principal;
  const named = asked?.scopes ?? [defaultScope(scopes)];
  for (const scope of named) if (!(scopes?.has(scope) ?? true)) throw forbidden(scope, "read");
  const learning = learningScope(serving, principal, asked);
  // What it learns from a text it has read in it.
  const isNamed = learning === undefined || named.includes(learning);
  const wanted = isNamed ? named : [learning, ...named];
  const { packs, ablate } = asked ?? {};
  const change = ablate && ((memory: Memory) => withoutParts(memory, ablate));
  return {
    memory: model.memoryFor({ scopes: wanted, packs, change }),
    partition: name,
    ...(learning !== undefined && {
      learn: (ids) => model.learn({ ids, scope: learning }, quota).catch(report),
    }),
  };
}

/** The scope that learns a request's texts. Throws `ApiError` for one that the key may not write, or a model that cannot learn. */
function learningScope(
  { model, learn: ofServer }: Serving,
  { scopes }: Principal,
  asked: Partial<EngramOptions> | null | undefined,
): string | undefined {
  const mayWrite = (scope: string): boolean =>
    scopes === undefined || scopes.get(scope) === "write";
  const { learn } = asked ?? {};
  if (learn !== undefined) {
    if (!mayWrite(learn)) throw forbidden(learn, "write");
    model.checkLearning();
    return learn;
  }
  if (ofServer === undefined || !mayWrite(ofServer)) return undefined;
  const isRead = asked?.scopes?.includes(ofServer) ?? asked?.enabled !== false;
  return isRead ? ofServer : undefined;
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
