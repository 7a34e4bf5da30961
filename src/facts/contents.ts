/**
 * What a store of facts holds at a moment, and what is left of it without some: plain data and questions to it. Knows
 * records; no log, no order of changes.
 */
import type { SubjectEdit, SuccessorEdit, VectorEdit } from "./edit.ts";
import type { Fact } from "./fact.ts";
import {
  encodeRecord,
  type FactRecord,
  type LogRecord,
  type SnapshotRecord,
  type TextRecord,
} from "./log-format.ts";

/** A fact with what was written for it. */
export interface Stored extends FactRecord {
  /** The change that replaced it, for snapshots. */
  replacedBy: number;
  /** The first moment at which readers see it, and the first at which they do not. */
  readonly since: number;
  until: number;
}

/** Which facts. */
export type Selection = { readonly scope?: string | undefined } & (
  | { readonly id: string }
  | { readonly all: true }
);

/** A vector that was written for a fact. */
export interface StoredVector {
  readonly stored: Stored;
  readonly edit: VectorEdit;
}

/** What the store holds at a moment. */
export interface Contents {
  /** In the order of their numbers; replaced ones stay while a snapshot has them. */
  readonly stored: readonly Stored[];
  readonly snapshots: readonly SnapshotRecord[];
  /** What was read in order to be learned. */
  readonly texts: readonly TextRecord[];
}

/** A fact and what is to be written for it. */
export interface FactToAdd {
  readonly fact: Fact;
  readonly edits: readonly SuccessorEdit[];
  readonly subject?: SubjectEdit | undefined;
}

export function isMeant({ fact }: Stored, selection: Selection): boolean {
  return (
    (selection.scope === undefined || selection.scope === fact.scope) &&
    (!("id" in selection) || selection.id === fact.id)
  );
}

export function isTextMeant({ scope }: TextRecord, selection: Selection): boolean {
  return !("id" in selection) && (selection.scope ?? scope) === scope;
}

/** Whether a snapshot after change `number` has a fact. */
export function isIn(one: Stored, number: number): boolean {
  return one.number <= number && number < one.replacedBy;
}

/** Without facts, and without vectors that were found for them and others together. */
export function without(all: readonly Stored[], isGone: (one: Stored) => boolean): Stored[] {
  const gone = new Set(all.filter(isGone).map(({ fact }) => keyOf(fact)));
  return all
    .filter((one) => !isGone(one))
    .map((one) => {
      const { scope } = one.fact;
      const isShared = one.subject?.factIds.some((id) => gone.has(keyOf({ scope, id })));
      return isShared === true ? { ...one, subject: undefined, encoded: undefined } : one;
    });
}

export function keyOf({ scope, id }: Pick<Fact, "scope" | "id">): string {
  return JSON.stringify([scope, id]);
}

/** Without what was replaced and is in no snapshot. */
export function neededIn({ stored, snapshots, texts }: Contents): Contents {
  const isNeeded = (one: Stored): boolean =>
    one.replacedBy === Infinity || snapshots.some(({ number }) => isIn(one, number));
  return { stored: stored.filter(isNeeded), snapshots, texts };
}

export function recordsOf({ stored, snapshots, texts }: Contents): Uint8Array[] {
  return [...stored, ...snapshots, ...texts].toSorted((a, b) => a.number - b.number).map(encodedOf);
}

export function encodedOf(record: LogRecord): Uint8Array {
  return (record.encoded ??= encodeRecord(record));
}
