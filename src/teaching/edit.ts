/**
 * What is to be true at a key: texts that name it, with what should follow. Ids only; no text, model or search.
 */
import { RequestError } from "../errors.ts";

/** `completion` shall follow `prompt`. */
export interface Statement {
  readonly prompt: readonly number[];
  readonly completion: readonly number[];
}

/** All that is taught of one subject in one scope. Its vectors are found together, so that each can be found anew without one of them. */
export interface Edit {
  /** N-grams that are the same key: a subject with and without the space before it. The vector stands at their last id. */
  readonly keys: readonly (readonly number[])[];
  /** Each prompt holds one of the keys. */
  readonly statements: readonly Statement[];
  /** Prompts that hold a key, and after which the model shall go on as before. */
  readonly leashes?: readonly (readonly number[])[];
  /** Wordings held back from the search, to choose the layer by. */
  readonly validation?: readonly Statement[];
}

/** Positions of the last ids of all occurrences of the keys in `ids`, ascending. */
export function occurrences(keys: Edit["keys"], ids: readonly number[]): number[] {
  const found = new Set<number>();
  for (const key of keys)
    for (let end = key.length; end <= ids.length; end++)
      if (key.every((id, i) => ids[end - key.length + i] === id)) found.add(end - 1);
  return [...found].toSorted((a, b) => a - b);
}

/** A text of the search: where the vector stands in it, and what is asked of it. */
export interface EditRow {
  readonly ids: readonly number[];
  /** Where the vector is added; the first decides where the window begins. */
  readonly at: readonly number[];
  /** Positions whose next ids are predicted. None: a leash, held at the last position. */
  readonly predicted: readonly { readonly position: number; readonly label: number }[];
}

/** Throws `RequestError` for a prompt without the key, or an empty completion. */
export function rowsOf(edit: Edit): EditRow[] {
  const rows = edit.statements.map((statement) => rowOf(edit, statement));
  for (const ids of edit.leashes ?? []) rows.push({ ids, at: placesOf(edit, ids), predicted: [] });
  return rows;
}

function rowOf(edit: Edit, { prompt, completion }: Statement): EditRow {
  if (completion.length === 0) throw new RequestError("a fact needs a completion, got none");
  const ids = [...prompt, ...completion.slice(0, -1)];
  const predicted = completion.map((label, i) => ({ position: prompt.length - 1 + i, label }));
  return { ids, at: placesOf(edit, ids, prompt.length), predicted };
}

/** The key may come again in the completion, but must stand in the prompt. */
function placesOf(edit: Edit, ids: readonly number[], promptLength = ids.length): number[] {
  const at = occurrences(edit.keys, ids);
  if (at.length === 0 || at[0]! >= promptLength)
    throw new RequestError(
      "a prompt of the fact does not hold its key: name the subject as it is written there",
    );
  return at;
}
