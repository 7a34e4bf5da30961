/**
 * Questions about an edit of CounterFact, by what an application may meet: its wording, other wordings of it, other
 * questions about its subject, a subject whose name stands in another's, the neighbouring subject, and an untaught subject in
 * the same kind of question. Knows texts alone.
 */
import { Random } from "../../src/numerics/index.ts";
import type { CounterFactEdit } from "./counterfact.ts";

export type QuestionClass =
  | "taught wording"
  | "in a sentence"
  | "other wording"
  | "other relation"
  | "about a rival"
  | "neighbour"
  | "untaught";

export interface Question {
  readonly asked: QuestionClass;
  readonly text: string;
}

/** Those of which the answer was taught. */
export const isMeant = (asked: QuestionClass): boolean =>
  asked.endsWith("wording") || asked === "in a sentence";

/** Edits whose subject is spelled alike in the prompt and its rephrasing and not in the neighbour's; one of each subject. */
export function distinctEdits(edits: readonly CounterFactEdit[]): CounterFactEdit[] {
  const subjects = new Set<string>();
  return edits.filter(
    ({ prompt, rephrase_prompt: other, subject, locality_prompt: near }) =>
      prompt.includes(subject) &&
      other.includes(subject) &&
      !near.includes(subject) &&
      !subjects.has(subject) &&
      subjects.add(subject),
  );
}

/** `edits` are all there are, in the order in which they may be taught; those of index `untaughtFrom` on never are. */
export function questionsAbout(
  edits: readonly CounterFactEdit[],
  { untaughtFrom }: { untaughtFrom: number },
): (index: number) => Question[] {
  const otherKinds = kindsOf(edits);
  return (index) => {
    const item = edits[index]!;
    const { prompt, subject, rephrase_prompt: other } = item;
    // Two each, of which the second of the last two kinds is another edit's.
    const at = untaughtFrom + 2 * index;
    const strangers = [edits[at % edits.length]!, edits[(at + 1) % edits.length]!];
    const neighbours = [item.locality_prompt, strangers[0]!.locality_prompt];
    const all = (asked: QuestionClass, texts: readonly string[]): Question[] =>
      texts.map((text) => ({ asked, text }));
    return [
      ...all("taught wording", [prompt]),
      ...all("in a sentence", [`Everybody here was told that ${prompt}`]),
      ...all("other wording", [other, `Some say so. However, ${other}`]),
      ...all("other relation", otherKinds(item, 2)),
      ...all(
        "about a rival",
        ["rival", "successor"].map((one) => prompt.replace(subject, `the ${one} of ${subject}`)),
      ),
      ...all("neighbour", neighbours),
      ...all(
        "untaught",
        strangers.map((one) => prompt.replace(subject, one.subject)),
      ),
    ];
  };
}

/**
 * Prompts of other kinds, with an edit's subject in them: kinds that no answer of the edit's kind is known for, so that
 * nobody would answer them with its completion.
 */
function kindsOf(
  edits: readonly CounterFactEdit[],
): (item: CounterFactEdit, count: number) => string[] {
  const kinds = new Map<string, Set<string>>();
  for (const { prompt, subject, target_new: asked, ground_truth: truth } of edits) {
    const kind = prompt.replace(subject, "{}");
    kinds.set(kind, (kinds.get(kind) ?? new Set()).add(asked).add(truth));
  }
  const alike = new Map<string, Set<string>>();
  for (const answers of kinds.values())
    for (const one of answers) {
      const known = alike.get(one) ?? new Set();
      for (const other of answers) known.add(other);
      alike.set(one, known);
    }
  const all = [...kinds.keys()].filter((kind) => kind.includes("{}"));
  return ({ subject, target_new: target }, count) => {
    const like = alike.get(target) ?? new Set();
    const random = Random.fromSeed(1, subject);
    const found = new Set<string>();
    for (let tries = 0; tries < 1000 && found.size < count; tries++) {
      const kind = all[random.int(all.length)]!;
      if (![...kinds.get(kind)!].some((one) => like.has(one))) found.add(kind);
    }
    return [...found].map((kind) => kind.replace("{}", subject));
  };
}
