/**
 * Makes something when it is first asked for, and once; where that failed (code that did not come), whoever asks next
 * tries again. Open to all folders, as `errors.ts` is; knows nothing of what it makes.
 */
export interface WhenNeeded<T> {
  /** What was made, by this call or an earlier one. */
  (): Promise<T>;
  /** Does `work` with what was made or is being made; nothing is made for it. Whoever asked hears of a failure, not this. */
  ifMade(work: (made: T) => unknown): Promise<unknown> | undefined;
}

export function whenNeeded<T>(make: () => Promise<T>): WhenNeeded<T> {
  let made: Promise<T> | undefined;
  const get = (): Promise<T> => {
    if (made === undefined) {
      made = make();
      made.catch(() => (made = undefined));
    }
    return made;
  };
  get.ifMade = (work: (made: T) => unknown) => made?.then(work, () => {});
  return get;
}
