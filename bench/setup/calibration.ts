/**
 * A number that says how sure something is: fitted to what was true, and judged by a reliability diagram. Knows chances and
 * truths; no model.
 */

/** An answer that says something: how often it does, and whether that is true. */
export interface Said {
  /** With this chance a drawn answer says it; so much it counts. */
  readonly chance: number;
  readonly isTrue: boolean;
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

/** Of such answers so many are true; half an answer of each kind is added, so that few answers make no certainty. */
export function shareTrue(said: readonly Said[]): number {
  const sum = (of: readonly Said[]): number => of.reduce((all, { chance }) => all + chance, 0);
  return (sum(said.filter(({ isTrue }) => isTrue)) + 0.5) / (sum(said) + 1);
}

/** Mean of the squared distance of number and truth. */
export function brierScore(judged: readonly Judged[]): number {
  const weight = judged.reduce((sum, { chance }) => sum + chance, 0);
  const squares = judged.reduce(
    (sum, { chance, number, isTrue }) => sum + chance * (number - Number(isTrue)) ** 2,
    0,
  );
  return squares / weight;
}

/** Bins of equal width, and the expected calibration error: the mean distance, by weight, of number and truth. */
export function reliability(judged: readonly Judged[], count = 10): { bins: Bin[]; error: number } {
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
      isTrue: mean((o) => Number(o.isTrue)),
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
