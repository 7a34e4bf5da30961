/**
 * A run's log as columns that can be drawn: one entry a step, sums along the way, validations beside them. Knows the
 * log's lines; not where they come from nor how they look.
 */

/** One line of metrics.jsonl. Every field but the step may be missing. */
export interface LogLine {
  readonly step: number;
  readonly steps?: number;
  readonly loss?: number;
  readonly lr?: number;
  readonly gradientNorm?: number;
  readonly gates?: Readonly<Record<string, number>>;
  readonly numTokens?: number;
  readonly tokensPerSecond?: number;
  readonly seconds?: number;
  readonly validBitsPerByte?: number;
  readonly bitsPerByteWithoutMemory?: number;
  readonly sample?: string;
}

/** What curves can be drawn over. */
export type XAxis = "step" | "tokens" | "time";

interface Place {
  readonly step: number;
  /** Trained on up to here. */
  readonly tokens: number;
  /** Seconds spent on steps up to here. */
  readonly time: number;
}

export interface Validation extends Place {
  readonly bitsPerByte: number;
}

export interface Sample extends Place {
  readonly text: string;
}

export class RunSeries {
  readonly step: number[] = [];
  readonly tokens: number[] = [];
  readonly time: number[] = [];
  readonly loss: number[] = [];
  readonly lr: number[] = [];
  readonly gradientNorm: number[] = [];
  readonly tokensPerSecond: number[] = [];
  /** By layer; NaN where a step said nothing. */
  readonly gates = new Map<string, number[]>();
  validations: Validation[] = [];
  samples: Sample[] = [];

  add(lines: readonly LogLine[]): void {
    for (const line of lines) this.#addLine(line);
  }

  /** The columns that all have one entry a step. */
  get #columns(): number[][] {
    const { step, tokens, time, loss, lr, gradientNorm, tokensPerSecond, gates } = this;
    return [step, tokens, time, loss, lr, gradientNorm, tokensPerSecond, ...gates.values()];
  }

  #addLine(line: LogLine): void {
    if (line.loss !== undefined) this.#addStep(line);
    const place = {
      step: line.step,
      tokens: this.tokens.at(-1) ?? 0,
      time: this.time.at(-1) ?? 0,
    };
    if (line.validBitsPerByte !== undefined)
      this.validations.push({ ...place, bitsPerByte: line.validBitsPerByte });
    if (line.sample !== undefined) this.samples.push({ ...place, text: line.sample });
  }

  #addStep(line: LogLine): void {
    // A step that comes again, from a log put together by hand, takes the place of the first time.
    if (line.step <= (this.step.at(-1) ?? 0)) this.#cutBefore(line.step);
    const { numTokens = 0, tokensPerSecond = Number.NaN } = line;
    const seconds = line.seconds ?? (tokensPerSecond > 0 ? numTokens / tokensPerSecond : 0);
    const at = this.step.length;
    this.tokens.push((this.tokens[at - 1] ?? 0) + numTokens);
    this.time.push((this.time[at - 1] ?? 0) + seconds);
    this.step.push(line.step);
    this.loss.push(line.loss ?? Number.NaN);
    this.lr.push(line.lr ?? Number.NaN);
    this.gradientNorm.push(line.gradientNorm ?? Number.NaN);
    this.tokensPerSecond.push(tokensPerSecond);
    for (const layer of Object.keys(line.gates ?? {}))
      if (!this.gates.has(layer))
        this.gates.set(
          layer,
          Array.from({ length: at }, () => Number.NaN),
        );
    for (const [layer, gates] of this.gates) gates.push(line.gates?.[layer] ?? Number.NaN);
  }

  #cutBefore(step: number): void {
    const kept = this.step.findIndex((one) => one >= step);
    if (kept < 0) return;
    for (const column of this.#columns) column.length = kept;
    this.validations = this.validations.filter((one) => one.step < step);
    this.samples = this.samples.filter((one) => one.step < step);
  }
}

/**
 * Exponentially weighted mean over steps, unbiased at the start: `amount` 0 changes nothing, 0.99 looks back over
 * a hundred steps. What is not a number is passed over.
 */
export function smoothed(values: readonly number[], amount: number): number[] {
  if (amount === 0) return [...values];
  let sum = 0;
  let weight = 0;
  return values.map((value) => {
    if (!Number.isFinite(value)) return value;
    sum = amount * sum + (1 - amount) * value;
    weight = amount * weight + (1 - amount);
    return sum / weight;
  });
}

export interface Points {
  readonly x: readonly number[];
  readonly y: readonly (number | null)[];
}

/** At most `limit` points within the range and one beyond either end, at even distances. NaN becomes a gap. */
export function thinned(
  { x, y }: { x: readonly number[]; y: readonly number[] },
  { range, limit }: { range: readonly [number, number] | undefined; limit: number },
): Points {
  let from = 0;
  let to = x.length;
  if (range !== undefined) {
    while (from + 1 < to && x[from + 1]! < range[0]) from++;
    while (to - 1 > from && x[to - 2]! > range[1]) to--;
  }
  const stride = Math.max(1, Math.ceil((to - from) / limit));
  const indices: number[] = [];
  for (let i = from; i < to; i += stride) indices.push(i);
  if (to > from && indices.at(-1) !== to - 1) indices.push(to - 1);
  // Logs may hold steps that took no time; a curve goes forth only.
  const forth = indices.filter((i, n) => n === 0 || x[i]! > x[indices[n - 1]!]!);
  return {
    x: forth.map((i) => x[i]!),
    y: forth.map((i) => (Number.isFinite(y[i]) ? y[i]! : null)),
  };
}
