/**
 * How likely an answer that says what a fact taught was asked for that fact: a number that is right as often as it says. Knows
 * texts; no ids, no model.
 *
 * It is the share of such answers that were asked for, by what there is of the fact in the text: counted over facts of
 * CounterFact and judged on others (docs/results/2026-11-29-known.md, bench/known-facts.ts). What the chance of the answer, or
 * the number of words that it shares with what was taught, would add was less than the noise.
 */
import type { Fact } from "./fact.ts";

/** Of what there is of a fact in a text. */
export type KnownGround =
  /** All of its prompt, in a sentence that has nothing before it. */
  | "wording"
  /** All of its prompt behind other words, which may be "the rival of". */
  | "wording in a sentence"
  /** Its subject alone. */
  | "subject";

export const KNOWN: Readonly<Record<KnownGround, number>> = {
  wording: 0.99,
  "wording in a sentence": 0.55,
  subject: 0.47,
};

/** `text` is all that the answer stands behind; `by` what of the fact fired in it. */
export function knownGround(
  { prompt }: Pick<Fact, "prompt">,
  { by, text }: { readonly by: "wording" | "subject"; readonly text: string },
): KnownGround {
  if (by === "subject") return by;
  const at = text.lastIndexOf(prompt.trim());
  // A key that is spelled otherwise than the text, and so not found, is a rarity: the careful number.
  if (at === -1) return "wording in a sentence";
  const isAlone = /(?:^|\n|[.!?。！？][^\p{L}\p{N}]*|>)\s*$/u.test(text.slice(0, at));
  return isAlone ? "wording" : "wording in a sentence";
}
