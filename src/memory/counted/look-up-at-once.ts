/** A read of counts that waits for everything at once. Knows the seam; no counts. (A page that has none does not load it.) */
import type { Distributions, LookUp } from "../memory.ts";

/** A look-up whose vectors, of one layer, arrive together. `read` puts them in place; without it they are. */
export function lookUpAtOnce({
  numRows,
  distributions,
  layerId,
  read,
}: {
  numRows: number;
  distributions: Distributions;
  layerId: number;
  read?: (() => Promise<void>) | undefined;
}): LookUp {
  let isDone = read === undefined;
  let reading: Promise<void> | undefined;
  const begin = (): void => {
    if (read === undefined || reading !== undefined) return;
    reading = read().then(() => {
      isDone = true;
    });
    // Whoever awaits it gets the failure. If nobody does, it must not be an unhandled rejection.
    reading.catch(() => undefined);
  };
  return {
    numRows,
    distributions,
    get isDone() {
      return isDone;
    },
    begin,
    hasArrived: (layer) => layer !== layerId || isDone,
    arrival: (layer) => (layer !== layerId || isDone ? Promise.resolve() : reading!),
    all: async () => {
      begin();
      await reading;
    },
    settled: async () => void (await Promise.allSettled([reading])),
  };
}
