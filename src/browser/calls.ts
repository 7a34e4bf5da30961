// oxlint-disable unicorn/require-post-message-target-origin -- ports to workers have none
/**
 * Calls from a page to its worker and back: a name, an input that can be cloned, any number of pieces, then an output or
 * an error. Calls can be aborted. Knows no call.
 */
import { describeError, errorOf } from "../worker/index.ts";

/** What pages and workers have in common. */
export interface Port {
  postMessage(message: unknown): void;
  addEventListener(type: "message", listener: (event: { readonly data: unknown }) => void): void;
}

interface Call {
  readonly id: number;
  readonly call: string;
  readonly input: unknown;
}

type Question = Call | { readonly id: number; readonly abort: true };

type Answer =
  | { readonly id: number; readonly piece: unknown }
  | { readonly id: number; readonly output: unknown }
  | { readonly id: number; readonly error: { readonly kind: string; readonly message: string } };

export interface CallContext {
  readonly signal: AbortSignal;
  /** Sends something before the output. */
  tell(piece: unknown): void;
}

export type Calls = Readonly<
  Record<string, (input: never, context: CallContext) => Promise<unknown>>
>;

/** Answers the calls that arrive at `port`. */
export function answerCalls(port: Port, calls: Calls): void {
  const running = new Map<number, AbortController>();
  port.addEventListener("message", ({ data }) => {
    const question = data as Question;
    if ("abort" in question) running.get(question.id)?.abort();
    else void answer(question);
  });

  async function answer({ id, call, input }: Call): Promise<void> {
    const abort = new AbortController();
    running.set(id, abort);
    const tell = (piece: unknown): void => port.postMessage({ id, piece });
    try {
      const found = calls[call];
      if (found === undefined) throw new Error(`this worker has no call "${call}"`);
      const output = await found(input as never, { signal: abort.signal, tell });
      port.postMessage({ id, output });
    } catch (error) {
      port.postMessage({ id, error: describeError(error) });
    } finally {
      running.delete(id);
    }
  }
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onPiece?: (piece: never) => void;
}

/** The other side of `answerCalls`. */
export class Caller {
  readonly #port: Port;
  readonly #open = new Map<number, (answer: Answer) => void>();
  #numCalls = 0;
  #failure: Error | undefined;

  constructor(port: Port) {
    this.#port = port;
    port.addEventListener("message", ({ data }) =>
      this.#open.get((data as Answer).id)?.(data as Answer),
    );
  }

  /** Whether an answer is under way. */
  get isBusy(): boolean {
    return this.#open.size > 0;
  }

  /** Rejects with the call's error, as an error of the same class, or with the reason of `signal`. */
  call(name: string, input: unknown, { signal, onPiece }: CallOptions = {}): Promise<unknown> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      if (this.#failure !== undefined) throw this.#failure;
      const id = this.#numCalls++;
      const end = (): void => {
        this.#open.delete(id);
        signal?.removeEventListener("abort", onAbort);
      };
      const onAbort = (): void => {
        end();
        this.#port.postMessage({ id, abort: true });
        reject(signal!.reason);
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#open.set(id, (answer) => {
        if ("piece" in answer) return onPiece?.(answer.piece as never);
        end();
        if ("error" in answer) reject(errorOf(answer.error));
        else resolve(answer.output);
      });
      this.#port.postMessage({ id, call: name, input });
    });
  }

  /** Ends all calls, and refuses later ones, with this error. */
  fail(error: Error): void {
    this.#failure ??= error;
    const { message } = error;
    for (const [id, settle] of this.#open) settle({ id, error: { kind: error.name, message } });
  }
}
