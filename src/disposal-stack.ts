/**
 * Collects resources that are opened one after another, and closes them in reverse. If a later step fails, the
 * earlier resources are closed; if all succeed, they move to their owner. It is the part of the platform's
 * `AsyncDisposableStack` that we use: Node 22 does not have that class. Knows nothing of what it holds.
 */
export class DisposalStack implements AsyncDisposable {
  #disposers: (() => unknown)[] = [];

  /** Returns `value`. Closing the stack calls `dispose` with it. */
  adopt<T>(value: T, dispose: (value: T) => unknown): T {
    this.#disposers.push(() => dispose(value));
    return value;
  }

  /** Moves everything to a new stack; this one is empty afterwards. */
  move(): DisposalStack {
    const moved = new DisposalStack();
    moved.#disposers = this.#disposers;
    this.#disposers = [];
    return moved;
  }

  /** Closes all, also if some fail; rejects with the failure. */
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

/** Closes all in reverse, also if some fail. */
export async function closeAll(owners: Iterable<{ close(): Promise<void> }>): Promise<void> {
  await using stack = new DisposalStack();
  for (const owner of owners) stack.adopt(owner, (one) => one.close());
}
