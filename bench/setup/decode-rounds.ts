/**
 * Several ways to keep one table, decoding the same text in turn: what one token takes with each, and that all of
 * them predict the same. Knows no store.
 */
import { argmax, Decoder, type LanguageModel, type Session } from "../../src/inference/index.ts";

export interface Side {
  readonly name: string;
  readonly model: LanguageModel;
  /** Before each round, outside the timing windows. */
  readonly before?: () => Promise<void> | void;
}

export interface SideResult {
  readonly name: string;
  /** Milliseconds a token, in order. */
  readonly times: readonly number[];
  readonly decoder: Decoder;
}

export interface DecodeRoundsOptions {
  readonly ids: readonly number[];
  /** The first token to read. */
  readonly from: number;
  readonly rounds: number;
  /** Tokens of a round. */
  readonly tokens: number;
  /** Sides have the same rows, and so must predict the same tokens. Default true. */
  readonly areAlike?: boolean;
}

/** The first of `sides` is the one whose predictions count. Round 0 is not in the times. */
export async function decodeRounds(
  sides: readonly Side[],
  { ids, from, rounds, tokens, areAlike = true }: DecodeRoundsOptions,
): Promise<SideResult[]> {
  const open: { side: Side; session: Session; decoder: Decoder; times: number[] }[] = [];
  for (const side of sides) {
    const decoder = new Decoder(side.model);
    open.push({ side, decoder, session: decoder.createSession(), times: [] });
  }
  for (let round = 0; round <= rounds; round++) {
    const start = from + round * tokens;
    if (start + tokens > ids.length) throw new Error("the text is too short for so many rounds");
    let expected: number[] | undefined;
    const first = round % open.length;
    const turns = [...open.slice(first), ...open.slice(0, first)];
    for (const { side, session, times } of turns) {
      await side.before?.();
      session.rewind(0);
      const found: number[] = [];
      for (let i = 0; i < tokens; i++) {
        const begin = performance.now();
        const logits = (await session.append([ids[start + i]!])).logits;
        if (round > 0) times.push(performance.now() - begin);
        found.push(argmax(logits));
      }
      expected ??= found;
      if (areAlike && found.join() !== expected.join())
        throw new Error(`${side.name} predicts other tokens in round ${round}`);
    }
  }
  return open.map(({ side, decoder, times }) => ({ name: side.name, times, decoder }));
}

export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
}

/**
 * One line a side: tenth percentile, median and 99th percentile, and the latter two against the first side's. On a
 * busy machine the tenth percentile is the steadiest of them.
 */
export function printResults(results: readonly SideResult[]): void {
  const [base] = results;
  for (const { name, times, decoder } of results) {
    const [median, p99] = [quantile(times, 0.5), quantile(times, 0.99)];
    const { steps, stepsAhead, stalls, stallSeconds, speculated, speculatedRight } =
      decoder.meter.costs;
    console.log(
      `${name.padEnd(30)} p10 ${quantile(times, 0.1).toFixed(3)} ms, median ${median.toFixed(3)} ms, ` +
        `p99 ${p99.toFixed(3)} ms; ` +
        `tokens/s ${(quantile(base!.times, 0.5) / median).toFixed(3)} of ${base!.name}'s median, ` +
        `p99 ${(p99 / quantile(base!.times, 0.99)).toFixed(3)}`,
    );
    if (stepsAhead > 0)
      console.log(
        `  of ${steps} steps ${stepsAhead} began before their rows, ${stalls} stalled, ` +
          `${((1000 * stallSeconds) / steps).toFixed(3)} ms a step; candidates ${speculated}, right ${speculatedRight}`,
      );
  }
}
