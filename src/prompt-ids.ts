/** What a text that is read from its beginning is to a model: ids, behind those with which its texts begin. */
import { RequestError } from "./errors.ts";
import type { Tokenizer } from "./tokenizer/index.ts";

/** The ids before a text that is read from its beginning. */
export function startOf(
  { bounds: { startIds, bosTokenId } }: Pick<Tokenizer, "bounds">,
  text: string,
): readonly number[] {
  const isEmpty = startIds.length === 0 && text === "";
  return isEmpty && bosTokenId !== undefined ? [bosTokenId] : startIds;
}

/** The ids of a text that is read from its beginning. Throws `RequestError` for half a character, which has no bytes. */
export async function promptIdsOf(
  tokenizer: Tokenizer,
  text: string,
  { signal }: { signal?: AbortSignal | undefined } = {},
): Promise<number[]> {
  if (!text.isWellFormed())
    throw new RequestError(
      "the text has a lone surrogate, half of a character: give whole characters",
    );
  const ids = [...startOf(tokenizer, text)];
  for (const id of await tokenizer.encode(text, { signal })) ids.push(id);
  return ids;
}
