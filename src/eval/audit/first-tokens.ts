/** The beginning of a stream, with the number of its bytes. Knows tokens; not what they are used for. */
import type { TokenStream } from "../../inference/index.ts";
import type { Model } from "../../opened-model.ts";

/** The first `most` tokens of a stream, or all of it. */
export function firstTokens(
  stream: TokenStream,
  most: number,
  { tokenizer }: Pick<Model, "tokenizer">,
): TokenStream {
  if (stream.tokens.length <= most) return stream;
  const tokens = stream.tokens.slice(0, most);
  const starts = stream.starts.filter((start) => start < most);
  const isStart = new Set(starts);
  const lengths = new Map<number, number>();
  let numBytes = 0;
  for (const [at, id] of tokens.entries()) {
    if (isStart.has(at)) continue;
    let length = lengths.get(id);
    if (length === undefined) lengths.set(id, (length = tokenizer.tokenBytes(id).length));
    numBytes += length;
  }
  return { tokens, starts, numBytes };
}
