/**
 * Several asynchronous sequences as one, in the order in which their values come. Knows nothing of what
 * they are.
 */
export interface Tagged<Item, Result> {
  /** Which sequence. */
  readonly index: number;
  readonly result: IteratorResult<Item, Result>;
}

/**
 * Begins the first `window` sequences at once, so that what refuses throws here, and each further one
 * when another has ended. Yields every value and, last of each, what it returned.
 */
export function interleave<Item, Result>(
  begin: readonly (() => AsyncIterator<Item, Result>)[],
  { window }: { window: number },
): AsyncGenerator<Tagged<Item, Result>, void> {
  let begun = 0;
  const running = new Map<number, AsyncIterator<Item, Result>>();
  const beginNext = (): void => {
    const next = begin[begun];
    if (next !== undefined) running.set(begun, next());
    begun++;
  };
  while (begun < Math.min(window, begin.length)) beginNext();
  return values();

  async function* values(): AsyncGenerator<Tagged<Item, Result>, void> {
    const pending = new Map<number, Promise<Tagged<Item, Result>>>();
    while (running.size > 0) {
      for (const [index, iterator] of running)
        if (!pending.has(index))
          pending.set(
            index,
            iterator.next().then((result) => ({ index, result })),
          );
      // A race of one costs as much as one of many, at every token of the usual request.
      const [only] = pending.values();
      const value = await (pending.size === 1 ? only! : Promise.race(pending.values()));
      pending.delete(value.index);
      if (value.result.done === true) {
        running.delete(value.index);
        beginNext();
      }
      yield value;
    }
  }
}
