/** A token as a strip shows it, and how reports and live tokens become strips. */
import type { LiveToken } from "./generation.svelte.ts";
import type { Answer } from "./inspection.svelte.ts";
import type { Measure } from "./measures.ts";

export interface StripToken {
  readonly text: string;
  /** Undefined where there is no number: no colour. */
  readonly value?: number | undefined;
  /** Read out and shown beside the pointer: "gate 0.53". */
  readonly says: string;
  /** Not in the text that was given: its hidden beginning, what the model wrote, what may come next. */
  readonly kind?: "hidden" | "written" | "next" | undefined;
  /** Lies in words of a fact that was taught; at their end, the fact speaks. */
  readonly key?: { readonly kind: "wording" | "subject"; readonly isEnd: boolean } | undefined;
}

export function stripOf(
  { question, report }: Answer,
  { values, measure }: { values: readonly (number | undefined)[]; measure: Measure },
): StripToken[] {
  const firstWritten = report.tokens.length - question.input.continuation.length;
  return report.tokens.map(({ text }, t) => {
    const value = values[t];
    return {
      text,
      value,
      says: value === undefined ? "not scored" : measure.says(value),
      kind: t < report.num_hidden ? "hidden" : t >= firstWritten ? "written" : undefined,
    };
  });
}

/** Tokens that are being written: of them only the gate is known. */
export function liveStrip(
  tokens: readonly LiveToken[],
  { layer, measure }: { layer: number | undefined; measure: Measure },
): StripToken[] {
  return tokens.map(({ text, gates }) => {
    const value = measure.name === "gate" ? (gates.get(layer ?? -1) ?? first(gates)) : undefined;
    return {
      text,
      value,
      says: value === undefined ? "being written" : measure.says(value),
      kind: "written",
    };
  });
}

function first(gates: ReadonlyMap<number, number>): number | undefined {
  const [gate] = gates.values();
  return gate;
}
