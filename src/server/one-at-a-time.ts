/** Runs work one piece after the other, since generation comes first. Knows no route. */
import { UnavailableError } from "../errors.ts";

/** Most that may wait. */
const mostWaiting = 16;

/** Throws `UnavailableError` if too much is waiting. */
export type InTurn = <T>(signal: AbortSignal, run: () => Promise<T>) => Promise<T>;

export function oneAtATime(): InTurn {
  let last: Promise<unknown> = Promise.resolve();
  let waiting = 0;
  return async (signal, run) => {
    if (waiting >= mostWaiting)
      throw new UnavailableError(`${waiting} inspections are waiting already; try again`, {
        code: "queue_full",
      });
    const before = last;
    const turn = (async () => {
      await before.catch(() => undefined);
      signal.throwIfAborted();
      return run();
    })();
    last = turn;
    waiting++;
    try {
      return await turn;
    } finally {
      waiting--;
    }
  };
}
