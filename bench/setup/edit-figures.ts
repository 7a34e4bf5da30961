/**
 * What is asked after an edit of CounterFact, in ROME's words (arXiv 2202.05262): efficacy, paraphrase and neighbourhood count
 * where the asked completion is likelier than the other one; "exact" where greedy decoding says all of the completion. Knows
 * sessions and texts; not how the edit was made.
 */
import { argmax, logProbsOf, type Session } from "../../src/inference/index.ts";
import type { Tokenizer } from "../../src/tokenizer/index.ts";
import type { CounterFactEdit } from "./counterfact.ts";

export type EditFigures = Record<
  | "efficacy"
  | "exact"
  | "paraphrase"
  | "paraphraseExact"
  | "neighbourhood"
  | "sameBits"
  | "reversed"
  | "leash",
  number
>;

/** What a model says before an edit: logits after the neighbour's prompt and after "SUBJECT is a". */
export interface Plain {
  readonly near: Float32Array;
  readonly leash: Float32Array;
}

interface Asked {
  readonly item: CounterFactEdit;
  /** Read anew for each text. */
  readonly session: Session;
  readonly tokenizer: Tokenizer;
}

const start = async (tokenizer: Tokenizer, text: string): Promise<number[]> => [
  ...tokenizer.bounds.startIds,
  ...(await tokenizer.encode(text)),
];

export async function plainOf({ item, session, tokenizer }: Asked): Promise<Plain> {
  const read = async (text: string): Promise<Float32Array> => {
    session.rewind(0);
    return (await session.append(await start(tokenizer, text))).logits.slice();
  };
  return { near: await read(item.locality_prompt), leash: await read(`${item.subject} is a`) };
}

/** `shown` stands before each question. */
export async function editFigures(
  { item, session, tokenizer }: Asked,
  { plain, shown = "" }: { plain: Plain; shown?: string },
): Promise<EditFigures> {
  /** Chances of some completions after a prompt, and whether greedy decoding says the first; logits of the prompt's end. */
  const ask = async (prompt: string, completions: readonly string[]) => {
    session.rewind(0);
    const ids = await start(tokenizer, shown + prompt);
    const first = (await session.append(ids)).logits.slice();
    const chances: number[] = [];
    let isExact = true;
    for (const [c, text] of completions.entries()) {
      let logits = first;
      let nats = 0;
      const completion = Array.from(await tokenizer.encode(` ${text}`));
      for (const [i, id] of completion.entries()) {
        if (i > 0) logits = (await session.append([completion[i - 1]!])).logits.slice();
        nats -= logProbsOf(logits, { id, top: 0 }).logProb;
        if (c === 0 && argmax(logits) !== id) isExact = false;
      }
      session.rewind(ids.length);
      chances.push(Math.exp(-nats));
    }
    return { isRight: Number(chances[0]! > (chances[1] ?? 0)), isExact: Number(isExact), first };
  };
  const pair = [item.target_new, item.ground_truth];
  const direct = await ask(item.prompt, pair);
  const other = await ask(item.rephrase_prompt, pair);
  const near = await ask(item.locality_prompt, [item.locality_ground_truth, item.target_new]);
  const back = await ask(`${item.target_new} is associated with`, [item.subject]);
  const leash = await ask(`${item.subject} is a`, []);
  return {
    efficacy: direct.isRight,
    exact: direct.isExact,
    paraphrase: other.isRight,
    paraphraseExact: other.isExact,
    neighbourhood: near.isRight,
    sameBits: Number(near.first.every((x, n) => x === plain.near[n])),
    reversed: back.isExact,
    leash: divergence(plain.leash, leash.first),
  };
}

function divergence(p: Float32Array, q: Float32Array): number {
  const norm = (x: Float32Array): number => {
    const top = x.reduce((a, b) => Math.max(a, b), -Infinity);
    return top + Math.log(x.reduce((sum, y) => sum + Math.exp(y - top), 0));
  };
  const [a, b] = [norm(p), norm(q)];
  return p.reduce((sum, x, i) => sum + Math.exp(x - a) * (x - a - (q[i]! - b)), 0);
}

/** One line for each of some ways: means over facts. */
export function printFigures(all: ReadonlyMap<string, readonly EditFigures[]>): void {
  for (const [name, facts] of all) {
    const means = Object.keys(facts[0]!).map((key) => {
      const sum = facts.reduce((total, one) => total + one[key as keyof EditFigures], 0);
      return `${key} ${(sum / facts.length).toFixed(3)}`;
    });
    console.log(name.padEnd(14), means.join("  "));
  }
}
