/** How fast one thread moves bytes through this machine's memory. */

/** Larger than the last-level caches of most machines. */
const BUFFER_BYTES = 128 * 2 ** 20;

/**
 * Bytes read and written a second by copying one large array into another: the best of as many copies as fit into
 * `milliseconds` (at least three), because others on the machine can only slow it down.
 */
export function measureBandwidth({ milliseconds = 300 }: { milliseconds?: number } = {}): number {
  const from = new Float64Array(BUFFER_BYTES / 8).fill(1);
  const to = new Float64Array(BUFFER_BYTES / 8).fill(2);
  let best = Infinity;
  const end = performance.now() + milliseconds;
  for (let i = 0; i < 3 || performance.now() < end; i++) {
    const start = performance.now();
    to.set(from);
    best = Math.min(best, performance.now() - start);
  }
  return (2 * BUFFER_BYTES * 1000) / best;
}
