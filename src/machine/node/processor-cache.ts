/**
 * Throwing out what the processor has cached, code included: between two tokens an engine reads all its weights, so
 * whatever runs then runs cold, and takes several times what it takes in a loop.
 */

/** As large as the last-level caches of most machines' share for one program. */
const BYTES = 32 * 2 ** 20;
/** Of a line of the cache one number is enough. */
const STRIDE = 8;

/** A function that does it, in a few milliseconds. */
export function processorCacheEvictor(): () => void {
  const numbers = new Float64Array(BYTES / 8).fill(1);
  let sum = 0;
  return () => {
    for (let i = 0; i < numbers.length; i += STRIDE) sum += numbers[i]!;
    // Written, so that reading cannot be left out.
    numbers[0] = sum % 2;
  };
}
