/** What two texts have in common, token by token: all that stands in a longest common subsequence. */

/** For each token of either text whether the other has it, too, in the same order. Takes |a| · |b| steps. */
export function commonTokens(
  a: readonly string[],
  b: readonly string[],
): { readonly a: readonly boolean[]; readonly b: readonly boolean[] } {
  const width = b.length + 1;
  /** Lengths of the longest common subsequence of a from i on and b from j on. */
  const lengths = new Uint16Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      lengths[i * width + j] =
        a[i] === b[j]
          ? lengths[(i + 1) * width + j + 1]! + 1
          : Math.max(lengths[(i + 1) * width + j]!, lengths[i * width + j + 1]!);
  const inA = a.map(() => false);
  const inB = b.map(() => false);
  for (let i = 0, j = 0; i < a.length && j < b.length;)
    if (a[i] === b[j]) inA[i++] = inB[j++] = true;
    else if (lengths[(i + 1) * width + j]! >= lengths[i * width + j + 1]!) i++;
    else j++;
  return { a: inA, b: inB };
}
