/**
 * A timer that runs with the processor's time: for limits on what a thread may do, on a machine that other programs keep busy.
 * Knows no threads: what a process has had is at least what one of its threads had.
 */

/** How many times as long it may take by the clock: who waits takes no processor time. */
const PATIENCE = 10;

/**
 * Calls `then` once the process has had so many milliseconds of the processor since now, and no sooner than by the clock; at most
 * ten times as long by the clock. To be cleared as a `setTimeout`.
 */
export function afterProcessorTime(
  then: () => void,
  milliseconds: number,
  processorTime: () => number = ofProcess,
): ReturnType<typeof setTimeout> {
  const [begun, used] = [performance.now(), processorTime()];
  const timer = setInterval(() => {
    const waited = performance.now() - begun;
    const isDue = waited >= milliseconds && processorTime() - used >= milliseconds;
    if (!isDue && waited < PATIENCE * milliseconds) return;
    clearInterval(timer);
    then();
  }, milliseconds / 10);
  return timer;
}

function ofProcess(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
