/** Chances in words: very small ones as "1 in 4 million", which says more than a row of zeros. */
import { percent } from "../../format.ts";

const large = new Intl.NumberFormat("en", {
  notation: "compact",
  compactDisplay: "long",
  maximumSignificantDigits: 2,
});

export function chanceWords(share: number): string {
  if (share >= 1e-4) return percent(share);
  return share > 1e-15 ? `1 in ${large.format(1 / share)}` : "never";
}
