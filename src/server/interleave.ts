/**
 * Merges asynchronous sequences into one, in the order in which their values arrive. Does not know what the values are.
 */
export interface Tagged<Item, Result> {
  /** Index of the sequence. */
  readonly index: number;
  readonly result: IteratorResult<Item, Result>;
}

export interface InterleaveOptions {
  /** Most sequences that run at the same time. */
  readonly window: number;
  /** Called once: when all sequences have ended, when one has failed, or when the consumer stops. */
  readonly onEnd?: () => void;
}

/**
 * Begins the first `window` sequences immediately, so that a refusal throws here; each further sequence begins when
 * another has ended. Yields all values and, at the end of each sequence, its return value.
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
        // Most requests have one sequence, which needs no race; a race would cost time at every value.
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
