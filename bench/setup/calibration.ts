/**
 * A number that says how sure something is: fitted to what was true, and judged by a reliability diagram. Knows chances and
 * truths; no model.
 */

/** An answer that says what was taught. */
export interface Said {
  readonly fact: number;
  /** That the model gave to it: with this chance a drawn answer says it, so it counts that much. */
  readonly chance: number;
  /** And that it gives to it without what it was taught. */
  readonly without: number;
  /** Whether the question has the whole taught prompt: else it has the subject alone. */
  readonly isWording: boolean;
  /** Of the other words of what was taught, those that the question has. */
  readonly share: number;
  /** Whether the question asked for it. */
  readonly isMeant: boolean;
}

export interface Judged extends Said {
  readonly number: number;
}

export interface Bin {
  readonly from: number;
  readonly to: number;
  /** Answers that are expected in it, their mean number, and how many of them are true. */
  readonly weight: number;
  readonly number: number;
  readonly isTrue: number;
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const logit = (p: number): number => {
  const clipped = Math.min(1 - 1e-4, Math.max(1e-4, p));
  return Math.log(clipped / (1 - clipped));
};
const featuresOf = ({ chance, without, share, isWording }: Said): readonly number[] => [
  1,
  logit(chance),
  logit(chance) - logit(without),
  share,
  Number(isWording),
];

/** Ridge on what is not the bias: a dozen facts tell little. */
const RIDGE = 0.001;

/** Logistic regression by gradient descent. */
export function calibrate(
  said: readonly Said[],
): ((one: Said) => number) & { readonly weights: readonly number[] } {
  const weights = [0, 0, 0, 0, 0];
  const total = said.reduce((sum, { chance }) => sum + chance, 0);
  for (let step = 0; step < 20_000; step++) {
    const gradient = weights.map((w, i) => (i === 0 ? 0 : RIDGE * w));
    for (const one of said) {
      const features = featuresOf(one);
      const sum = features.reduce((all, x, i) => all + x * weights[i]!, 0);
      const error = ((sigmoid(sum) - Number(one.isMeant)) * one.chance) / total;
      for (const [i, x] of features.entries()) gradient[i]! += error * x;
    }
    for (const [i, slope] of gradient.entries()) weights[i]! -= 0.1 * slope;
  }
  const number = (one: Said): number =>
    sigmoid(featuresOf(one).reduce((all, x, i) => all + x * weights[i]!, 0));
  return Object.assign(number, { weights });
}

/** Five bins of equal width, and the expected calibration error: the mean distance, by weight, of number and truth. */
export function reliability(judged: readonly Judged[], count = 5): { bins: Bin[]; error: number } {
  const bins: Bin[] = [];
  let [error, total] = [0, 0];
  for (let b = 0; b < count; b++) {
    const [from, to] = [b / count, (b + 1) / count];
    const group = judged.filter(
      ({ number }) => number >= from && (number < to || (b === count - 1 && number <= 1)),
    );
    const weight = group.reduce((sum, { chance }) => sum + chance, 0);
    if (weight === 0) continue;
    const mean = (of: (one: Judged) => number): number =>
      group.reduce((sum, one) => sum + one.chance * of(one), 0) / weight;
    const bin = {
      from,
      to,
      weight,
      number: mean((o) => o.number),
      isTrue: mean((o) => Number(o.isMeant)),
    };
    bins.push(bin);
    error += weight * Math.abs(bin.number - bin.isTrue);
    total += weight;
  }
  return { bins, error: error / total };
}

/** The diagram: a disc a bin, its area the answers in it; on the line, numbers are right. */
export function reliabilitySvg(bins: readonly Bin[]): string {
  const at = (x: number): number => 40 + 240 * x;
  const most = Math.max(...bins.map(({ weight }) => weight));
  const discs = bins.map(
    ({ weight, number, isTrue }) =>
      `<circle cx="${at(number).toFixed(1)}" cy="${(320 - at(isTrue)).toFixed(1)}" r="${(3 + 9 * Math.sqrt(weight / most)).toFixed(1)}" fill="#2563eb" fill-opacity="0.7"/>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 320 340" font-family="sans-serif" font-size="12">
<title>How often an answer with a number is true</title>
<rect width="320" height="340" fill="#fff"/>
<path d="M40 40V280H280M40 280L280 40" fill="none" stroke="#64748b"/>
<text x="160" y="310" text-anchor="middle">number that the answer carries, 0 to 1</text>
<text transform="translate(22 160) rotate(-90)" text-anchor="middle">share of true answers, 0 to 1</text>
${discs.join("\n")}
</svg>
`;
}
