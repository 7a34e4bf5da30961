/**
 * Evicts the processor's caches, code included. Between two tokens an engine reads all its weights, so other code
 * runs cold then, and takes several times as long as in a loop.
 */

/** About one program's share of the last-level cache on most machines. */
const BYTES = 32 * 2 ** 20;
/** One number of each cache line is enough. */
const STRIDE = 8;

/** A function that does it, in a few milliseconds. */
export function processorCacheEvictor(): () => void {
  const numbers = new Float64Array(BYTES / 8).fill(1);
  let sum = 0;
  return () => {
    for (let i = 0; i < numbers.length; i += STRIDE) sum += numbers[i]!;
    // Stored, so that the reads cannot be optimised away.
    numbers[0] = sum % 2;
  };
}
