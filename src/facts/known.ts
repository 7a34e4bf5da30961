/**
 * How sure it is that an answer is what was taught for its question. Where the question has a fact's own words, nearly
 * certain. Where it only names a fact's subject, the vector there may have moved another answer, or another question may
 * have been asked: then as sure as such answers were right, by the chance that the model gave them. Knows numbers only.
 */

/** Of answers to a fact's own words. */
const OF_WORDING: number = 1 - 2 ** -10;
/** `chance` is the model's, of what it said of the completion, with what it was taught. */
export function knownChance({
  by,
  isSaid,
  chance,
}: {
  readonly by: "wording" | "subject";
  readonly isSaid: boolean;
  readonly chance: number;
}): number {
  if (!isSaid) return 0;
  if (by === "wording") return OF_WORDING;
  // Not yet calibrated: `bench/known-facts.ts` measures how often such answers are right.
  return chance;
}
