/**
 * A prompt and its completion -> the wordings, as ids, that a reader's text may hold. A vocabulary spells one text in
 * several ways: at the beginning of a text, after a line break, after a space; and what was typed up to the completion
 * need not be cut where the whole is. Each way is a wording of its own, so that a key is found however it was written.
 * Knows texts and ids; no model.
 */
import type { Tokenizer } from "../tokenizer/index.ts";
import { type SuccessorEdit } from "./edit.ts";

/** The ids of a conversation in which the user said only this, up to where the answer begins. */
export type ChatIds = (text: string) => Promise<readonly number[]>;

/** What comes before a wording: nothing, a line's end, or a word and a space, which belongs to one of the two words. */
const befores: readonly (readonly [before: string, kept: string])[] = [
  ["", ""],
  ["a\n", "a\n"],
  ["a ", "a"],
  ["a ", "a "],
];

/**
 * What a completion is joined to its prompt by: a space, if neither has white space there and both would else be one
 * word. Scripts without spaces between words get none.
 */
export function joinedCompletion(prompt: string, completion: string): string {
  const unspaced =
    /\p{Script=Han}|\p{Script=Hiragana}|\p{Script=Katakana}|\p{Script=Thai}|\p{Script=Lao}|\p{Script=Khmer}|\p{Script=Myanmar}/u;
  const last = Array.from(prompt.slice(-2)).at(-1)!;
  const [first] = Array.from(completion.slice(0, 2)) as [string];
  const needsSpace =
    /[\p{L}\p{N}\p{M},;:.!?)\]}"'’”»%]/u.test(last) &&
    /[\p{L}\p{N}("'‘“«[{$€£#@]/u.test(first) &&
    !unspaced.test(last) &&
    !unspaced.test(first);
  return needsSpace ? ` ${completion}` : completion;
}

/** Every wording of `prompt` and `completion`, which are joined as they are. */
export async function wordingsOf(
  { prompt, completion }: { prompt: string; completion: string },
  { tokenizer, chatIds }: { tokenizer: Tokenizer; chatIds?: ChatIds | undefined },
): Promise<SuccessorEdit[]> {
  const edits = new Map<string, SuccessorEdit>();
  const add = ({ ids, from }: SuccessorEdit): void => {
    if (from > 0 && from < ids.length) edits.set(`${from} ${ids.join(" ")}`, { ids, from });
  };
  const seams = [[prompt, completion] as const];
  // Many type the space after a prompt.
  if (/^ \S/.test(completion)) seams.push([`${prompt} `, completion.slice(1)]);
  const encode = memoized(tokenizer);
  for (const [head, tail] of seams)
    for (const before of befores) {
      if (before[0] === "a " && /^\s/.test(head)) continue;
      // Few at a time: a thread that encodes for all takes only so many.
      const [typed, whole, ...rests] = await Promise.all([
        idsAfter(encode, before, head),
        idsAfter(encode, before, head + tail),
        idsAfter(encode, ["a", "a"], tail),
        idsAfter(encode, ["a\n", "a\n"], tail),
        // Where a text begins, some vocabularies put a space.
        idsAfter(encode, ["", ""], tail.trimStart()),
      ]);
      if (typed === undefined || whole === undefined) continue;
      const rest = rests.find(
        (ids) =>
          ids !== undefined && tokenizer.decode([...typed, ...ids]).trim() === (head + tail).trim(),
      );
      if (rest !== undefined) add({ ids: [...typed, ...rest], from: typed.length });
      add({ ids: whole, from: seamOf(whole, { typed, tokenizer }) });
    }
  if (chatIds !== undefined)
    for (const edit of await chatWordings({ prompt, completion }, { encode, chatIds })) add(edit);
  return [...edits.values()];
}

/** The ids of a text at the beginning, after a line's end and after a word: each spelling once. */
export async function spellingsOf(tokenizer: Tokenizer, text: string): Promise<number[][]> {
  const found = new Map<string, number[]>();
  const encode = memoized(tokenizer);
  for (const before of befores) {
    const ids = await idsAfter(encode, before, text);
    if (ids !== undefined && ids.length > 0) found.set(ids.join(" "), ids);
  }
  return [...found.values()];
}

/** The ids of a text that continues another. */
export async function textAfter(tokenizer: Tokenizer, text: string): Promise<number[]> {
  const ids = await idsAfter(memoized(tokenizer), behind(text), text);
  return ids ?? Array.from(await tokenizer.encode(text));
}

/** What a text that continues another stands behind. */
function behind(text: string): readonly [before: string, kept: string] {
  return /^\s/.test(text) ? ["a", "a"] : ["a\n", "a\n"];
}

/** As the answer in a conversation: after the question and what its template puts behind it. */
async function chatWordings(
  { prompt, completion }: { prompt: string; completion: string },
  { encode, chatIds }: { encode: Encode; chatIds: ChatIds },
): Promise<SuccessorEdit[]> {
  const ids = await chatIds(prompt);
  const answer = await idsAfter(encode, ["a\n", "a\n"], completion.trimStart());
  if (answer === undefined) return [];
  for (const before of befores) {
    const question = await idsAfter(encode, before, prompt);
    const start = question === undefined ? -1 : lastIndexOf(ids, question);
    if (start >= 0) return [{ ids: [...ids.slice(start), ...answer], from: ids.length - start }];
  }
  return [];
}

type Encode = (text: string) => Promise<ArrayLike<number>>;

/** Each text once: some tokenizers are on another thread. */
function memoized(tokenizer: Tokenizer): Encode {
  const known = new Map<string, Promise<ArrayLike<number>>>();
  return (text) => {
    let ids = known.get(text);
    if (ids === undefined) known.set(text, (ids = Promise.resolve(tokenizer.encode(text))));
    return ids;
  };
}

/** The ids of `text` behind `before`, of which the ids of `kept` are left out; undefined where they cannot be told apart. */
async function idsAfter(
  encode: Encode,
  [before, kept]: readonly [before: string, kept: string],
  text: string,
): Promise<number[] | undefined> {
  const [whole, known] = await Promise.all([
    encode(before + text),
    before === "" ? [] : encode(kept),
  ]);
  const all = Array.from(whole);
  return Array.from(known).every((id, i) => all[i] === id) ? all.slice(known.length) : undefined;
}

/** The first id of `whole` that has nothing of what was `typed`. */
function seamOf(
  whole: readonly number[],
  { typed, tokenizer }: { typed: readonly number[]; tokenizer: Tokenizer },
): number {
  if (typed.every((id, i) => whole[i] === id)) return typed.length;
  const lengthOf = (id: number): number => tokenizer.tokenBytes(id).length;
  const end = typed.reduce((sum, id) => sum + lengthOf(id), 0);
  let at = 0;
  let from = 0;
  while (from < whole.length && at < end) at += lengthOf(whole[from++]!);
  return from;
}

function lastIndexOf(ids: readonly number[], part: readonly number[]): number {
  for (let at = ids.length - part.length; at >= 0 && part.length > 0; at--)
    if (part.every((id, i) => ids[at + i] === id)) return at;
  return -1;
}
