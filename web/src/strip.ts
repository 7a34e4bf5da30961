/** A token as a strip shows it, and how a report becomes a strip. */
import type { Answer } from "./inspection.svelte.ts";
import type { Measure } from "./measure.ts";

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
