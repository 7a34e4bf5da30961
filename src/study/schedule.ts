/**
 * In which order runs are done: seed after seed, all arms of a seed together, each seed beginning with another arm. So
 * whatever drifts on the machine meets all arms alike. Knows names and numbers.
 */

/** One arm trained from one seed. */
export interface RunName {
  readonly arm: string;
  readonly seed: number;
}

export function interleaved(arms: readonly string[], seeds: readonly number[]): RunName[] {
  return seeds.flatMap((seed, turn) =>
    arms.map((_, i) => ({ arm: arms[(i + turn) % arms.length]!, seed })),
  );
}

/** Its folder. */
export function runFolder({ arm, seed }: RunName): string {
  return `${arm}-${seed}`;
}

/**
 * Does a part of each item in turn, `parallel` at a time, until `step` says that an item is done. What is under way when
 * one fails is waited for; then the first failure is thrown.
 */
export async function inTurns<Item>(
  items: readonly Item[],
  {
    parallel,
    step,
    onFailure,
  }: {
    parallel: number;
    step: (item: Item) => Promise<"done" | "again" | "stop">;
    /** Called once, at the first failure, while others may still be under way. */
    onFailure: () => void;
  },
): Promise<void> {
  const waiting = [...items];
  const failures: unknown[] = [];
  let isStopped = false;
  const work = async (): Promise<void> => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) {
      if (isStopped) return;
      try {
        const outcome = await step(item);
        if (outcome === "again") waiting.push(item);
        if (outcome === "stop") isStopped = true;
      } catch (error) {
        failures.push(error);
        isStopped = true;
        if (failures.length === 1) onFailure();
      }
    }
  };
  await Promise.all(Array.from({ length: parallel }, work));
  if (failures.length > 0) throw failures[0];
}
