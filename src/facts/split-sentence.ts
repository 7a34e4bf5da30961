/**
 * A sentence alone -> what is the prompt in it and what the completion. A key must not occur in texts about other
 * things, so the completion begins with the first word before which there is enough that is rare: "The capital of" says
 * little, "The capital of Zembla" only one thing. How rare, the model says. Knows texts and chances; no sessions.
 */
import { RequestError } from "../errors.ts";
import type { Vocabulary } from "../tokenizer/index.ts";

/** Twice what a prompt needs at least: one text in four thousand million. */
const AIM_BITS = 32;

/**
 * `bits` say how unlikely each of the sentence's ids was. Throws `RequestError` for a sentence of one word.
 */
export function splitSentence(
  sentence: string,
  {
    ids,
    bits,
    tokenizer,
  }: {
    ids: ArrayLike<number>;
    bits: readonly number[];
    tokenizer: Pick<Vocabulary, "tokenBytes">;
  },
): { prompt: string; completion: string } {
  const seams = wordStarts(sentence).slice(1);
  if (seams.length === 0)
    throw new RequestError(
      `"${sentence.slice(0, 80)}" is one word; a sentence says something of something, or give a prompt and a completion`,
    );
  // Where each id ends, counted from the end: some vocabularies put a space before a text.
  const rest = new Float64Array(ids.length + 1);
  for (let i = ids.length - 1; i >= 0; i--)
    rest[i] = rest[i + 1]! + tokenizer.tokenBytes(ids[i]!).length;
  const encoder = new TextEncoder();
  const bitsBefore = (seam: number): number => {
    const after = encoder.encode(sentence.slice(seam)).length;
    let sum = 0;
    for (let i = 0; i < ids.length && rest[i + 1]! >= after; i++) sum += bits[i]!;
    return sum;
  };
  const seam = seams.find((at) => bitsBefore(at) >= AIM_BITS) ?? seams.at(-1)!;
  return { prompt: sentence.slice(0, seam), completion: sentence.slice(seam) };
}

/** Where words begin, the white space before them included. */
function wordStarts(text: string): number[] {
  const starts: number[] = [];
  for (const { segment, index, isWordLike } of new Intl.Segmenter("en", {
    granularity: "word",
  }).segment(text)) {
    if (isWordLike !== true || segment === "") continue;
    const before = text.slice(0, index);
    starts.push(before.trimEnd() === "" ? 0 : before.trimEnd().length);
  }
  return starts;
}
