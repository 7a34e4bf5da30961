/**
 * Chooses the few-shot examples: the first ones, or drawn from a seed as the harness draws them. Knows documents; not
 * how they are written.
 */
import { InvalidConfigError } from "../../errors.ts";
import { PythonRandom } from "./python-random.ts";
import type { Fields } from "./template.ts";

/** The harness's default. */
const FEWSHOT_SEED = 1234;

export interface FewShotOptions {
  readonly sampler: "default" | "first_n";
  readonly count: number;
  /** Documents to draw from. */
  readonly pool: readonly Fields[];
  /** Whether the pool contains the documents to be answered. Then no document is an example for itself. */
  readonly isOwnPool: boolean;
  readonly task: string;
}

/** Examples for one document after another, in order: the draws of a seed continue from document to document. */
export function fewShotSampler(options: FewShotOptions): (document: Fields) => Fields[] {
  const { sampler, count, pool, isOwnPool, task } = options;
  const random = new PythonRandom(FEWSHOT_SEED);
  const least = count + (isOwnPool ? 1 : 0);
  if (count > 0 && pool.length < least)
    throw new InvalidConfigError(
      `${task}: ${count} examples are asked for, and there are ${pool.length} documents to draw from; ` +
        "lower --num-fewshot",
    );
  const texts = isOwnPool && count > 0 ? pool.map((fields) => JSON.stringify(fields)) : [];
  return (document) => {
    if (count === 0) return [];
    const own = isOwnPool ? JSON.stringify(document) : undefined;
    const others = (drawn: readonly number[]): Fields[] =>
      drawn
        .filter((i) => own === undefined || texts[i] !== own)
        .slice(0, count)
        .map((i) => pool[i]!);
    const everyone = (): number[] => pool.map((_, i) => i);
    if (sampler === "first_n") return others(everyone());
    const examples = others(random.sample(pool.length, least));
    if (examples.length === count) return examples;
    // Copies of the document were drawn, too. Draw again from the pool without them.
    const rest = everyone().filter((i) => texts[i] !== own);
    if (rest.length < count)
      throw new InvalidConfigError(
        `${task}: only ${rest.length} documents differ from the one that is asked, and ${count} examples are wanted`,
      );
    return random.sample(rest.length, count).map((i) => pool[rest[i]!]!);
  };
}
