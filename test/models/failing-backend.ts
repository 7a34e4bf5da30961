/**
 * A backend whose compiles can fail, one by one, and that knows what of it is still open: for tests of what is left
 * when a later step of opening fails.
 */
import { BackendError } from "../../src/errors.ts";
import type { Backend } from "../../src/tensor/index.ts";

export class FailingBackend implements Backend {
  readonly name: string;
  readonly #inner: Backend;
  readonly #failsAt: number;
  /** Compiles asked for so far. */
  numCompiles = 0;
  /** Executables that were not disposed. */
  numOpen = 0;

  /** The compile number `failsAt`, from 1 on, fails; it takes a turn of the event loop, as others do. */
  constructor(inner: Backend, { failsAt }: { readonly failsAt: number }) {
    this.name = inner.name;
    this.#inner = inner;
    this.#failsAt = failsAt;
  }

  get hasFailed(): boolean {
    return this.numCompiles >= this.#failsAt;
  }

  async compile(graph: Parameters<Backend["compile"]>[0]): ReturnType<Backend["compile"]> {
    this.numCompiles++;
    if (this.numCompiles === this.#failsAt) {
      await new Promise(setImmediate);
      throw new BackendError(`compile ${this.#failsAt} was made to fail`);
    }
    const executable = await this.#inner.compile(graph);
    this.numOpen++;
    let isOpen = true;
    return {
      bind: (inputs, outputs) => executable.bind(inputs, outputs),
      dispose: async () => {
        if (isOpen) this.numOpen--;
        isOpen = false;
        await executable.dispose();
      },
    };
  }

  dispose(): Promise<void> {
    return this.#inner.dispose();
  }
}
