/**
 * What an answer says of facts and documents, as far as it was asked for. Most requests do not ask, and never load what
 * finds it (`facts-said.ts`).
 */
import type { SourceSaid } from "../sources-said.ts";
import type { EngramReport } from "./engram-report.ts";
import type { FactSaid, KeyFound, Said } from "./facts-said.ts";
import type { EngramOptions } from "./protocol.ts";

export interface FactsTold {
  readonly facts?: readonly FactSaid[];
  readonly keys?: readonly KeyFound[];
  readonly sources?: readonly SourceSaid[];
}

const findings: ReadonlySet<string> = new Set(["facts", "keys", "sources"]);

export async function factsTold(
  options: EngramOptions | null | undefined,
  said: Said,
): Promise<FactsTold> {
  if (options?.return.some((one) => findings.has(one)) !== true) return {};
  return (await import("./facts-said.ts")).factsTold(options, said);
}

export function wantsFacts(options: EngramOptions | null | undefined): boolean {
  return options?.return.includes("facts") === true;
}

/** Beside what else an answer says of the memory. */
export function factsReport(told: FactsTold, engram?: EngramReport): { readonly engram?: object } {
  const all = { ...engram, ...told };
  return Object.keys(all).length === 0 ? {} : { engram: all };
}
