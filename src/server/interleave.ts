/**
 * Several asynchronous sequences as one, in the order in which their values come. Knows nothing of what
 * they are.
 */
export interface Tagged<Item, Result> {
  /** Which sequence. */
  readonly index: number;
  readonly result: IteratorResult<Item, Result>;
}

export interface InterleaveOptions {
  /** Sequences that run at a time. */
  readonly window: number;
  /** Called once, when all have ended, one has failed, or nobody takes the values any more. */
  readonly onEnd?: () => void;
}

/**
 * Begins the first `window` sequences at once, so that what refuses throws here, and each further one
 * when another has ended. Yields every value and, last of each, what it returned.
 */
export function interleave<Item, Result>(
  begin: readonly (() => AsyncIterator<Item, Result>)[],
  { window, onEnd = () => undefined }: InterleaveOptions,
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
    try {
      while (running.size > 0) {
        const [first] = running;
        // One sequence alone, which most requests are, needs no race: that costs at every value.
        const value =
          running.size === 1 && pending.size === 0
            ? { index: first![0], result: await first![1].next() }
            : await race(pending);
        pending.delete(value.index);
        if (value.result.done === true) {
          running.delete(value.index);
          beginNext();
        }
        yield value;
      }
    } finally {
      onEnd();
    }
  }

  function race(
    pending: Map<number, Promise<Tagged<Item, Result>>>,
  ): Promise<Tagged<Item, Result>> {
    for (const [index, iterator] of running)
      if (!pending.has(index))
        pending.set(
          index,
          iterator.next().then((result) => ({ index, result })),
        );
    return Promise.race(pending.values());
  }
}
