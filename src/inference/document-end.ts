/** Where a document ends in a row of ids that begin with an id of their own. */

/** Index of the first `documentStart` after `from`, or the number of ids. */
export function documentEnd(
  ids: ArrayLike<number>,
  { from, documentStart }: { from: number; documentStart: number | undefined },
): number {
  let end = from + 1;
  while (end < ids.length && ids[end] !== documentStart) end++;
  return end;
}
