/** Facts that no model knows: "The capital of Zomu Rabi is Talofe." Knows words only. */
import type { Random } from "../../src/numerics/index.ts";

export interface MadeUpFact {
  readonly relation: string;
  readonly subject: string;
  readonly prompt: string;
  readonly completion: string;
}

export const relations: readonly string[] = [
  "capital",
  "founder",
  "anthem",
  "oldest street",
  "sister town",
];

export function madeUpWord(random: Random): string {
  const part = (): string => "bdfgklmnprstvz"[random.int(14)]! + "aeiou"[random.int(5)]!;
  const text = part() + part() + (random.int(2) === 0 ? part() : "");
  return text[0]!.toUpperCase() + text.slice(1);
}

/** The n-th relation, in turns; another subject each time, or the one that is given. */
export function madeUpFact(
  random: Random,
  n: number,
  subject: string = `${madeUpWord(random)} ${madeUpWord(random)}`,
): MadeUpFact {
  const relation = relations[n % relations.length]!;
  const prompt = `The ${relation} of ${subject} is`;
  return { relation, subject, prompt, completion: ` ${madeUpWord(random)}.` };
}
