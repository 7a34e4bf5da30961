/**
 * What was opened step by step, to be closed in reverse: where a later step of opening fails, what the earlier ones
 * opened is closed, and where all succeed, it moves to its owner. The part of the platform's `AsyncDisposableStack`
 * that we use, which Node 22 does not have. Knows nothing of what it holds.
 */
export class DisposalStack implements AsyncDisposable {
  #disposers: (() => unknown)[] = [];

  /** Returns `value`, which `dispose` closes when this stack is closed. */
  adopt<T>(value: T, dispose: (value: T) => unknown): T {
    this.#disposers.push(() => dispose(value));
    return value;
  }

  /** Everything goes to the stack that comes back; this one has nothing left to close. */
  move(): DisposalStack {
    const moved = new DisposalStack();
    moved.#disposers = this.#disposers;
    this.#disposers = [];
    return moved;
  }

  /** Closes all, every one even where another fails; rejects with what failed. */
  async [Symbol.asyncDispose](): Promise<void> {
    const failures: unknown[] = [];
    for (let dispose = this.#disposers.pop(); dispose; dispose = this.#disposers.pop())
      try {
        await dispose();
      } catch (error) {
        failures.push(error);
      }
    if (failures.length === 1) throw failures[0];
    if (failures.length > 1)
      throw new AggregateError(failures, `${failures.length} parts could not be closed`);
  }
}

/** Closes all in reverse, every one even where another fails. */
export async function closeAll(owners: Iterable<{ close(): Promise<void> }>): Promise<void> {
  await using stack = new DisposalStack();
  for (const owner of owners) stack.adopt(owner, (one) => one.close());
}
