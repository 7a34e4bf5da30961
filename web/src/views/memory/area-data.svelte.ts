/** What is known of the areas that are shown: rows asked for once, reads again and again. */
import type { AreaData } from "./measures.ts";
import { type Area, type AreaRows, memoryApi } from "./memory-api.ts";
import { whileVisible } from "./polling.ts";

/** Rows do not change while a model is served; what was looked at lately comes back at once. */
const maxKept = 64;

export class AreaStore {
  failure: Error | undefined = $state.raw();
  #rows: ReadonlyMap<string, AreaRows> = $state.raw(new Map());
  #reads: ReadonlyMap<string, readonly number[] | null> = $state.raw(new Map());

  dataOf(area: Area): AreaData {
    const key = keyOf(area);
    return { rows: this.#rows.get(key), reads: this.#reads.get(key) };
  }

  /** Until the returned function is called. */
  follow(areas: readonly Area[]): () => void {
    return whileVisible(async (signal) => {
      try {
        const reads = new Map<string, readonly number[] | null>();
        for (const area of areas) {
          const key = keyOf(area);
          if (!this.#rows.has(key)) {
            const rows = await memoryApi.rows(area, { signal });
            this.#rows = new Map([...this.#rows, [key, rows] as const].slice(-maxKept));
          }
          reads.set(key, await memoryApi.reads(area, { signal }));
        }
        this.#reads = reads;
        this.failure = undefined;
      } catch (error) {
        if (!signal.aborted) this.failure = error as Error;
      }
    });
  }
}

function keyOf({ layer, from, to, bins }: Area): string {
  return [layer, from, to, bins].join(" ");
}
