/** Doing something once a second while somebody looks. */

/** Calls `work` soon and then every `interval` after it has ended, until the returned function is called. */
export function whileVisible(
  work: (signal: AbortSignal) => Promise<void>,
  interval = 1000,
): () => void {
  const stop = new AbortController();
  const { signal } = stop;
  let timer: ReturnType<typeof setTimeout>;
  const round = async (): Promise<void> => {
    if (!document.hidden) await work(signal);
    if (!signal.aborted) timer = setTimeout(() => void round(), interval);
  };
  // Not at once: an effect that begins this must not depend on what the first round happens to read.
  timer = setTimeout(() => void round());
  return () => {
    clearTimeout(timer);
    stop.abort();
  };
}
