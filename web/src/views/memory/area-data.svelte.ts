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
        await Promise.all(areas.map((area) => this.#readRows(area, signal)));
        const reads = await Promise.all(
          areas.map(
            async (area) => [keyOf(area), await memoryApi.reads(area, { signal })] as const,
          ),
        );
        this.#reads = new Map(reads);
        this.failure = undefined;
      } catch (error) {
        if (!signal.aborted) this.failure = error as Error;
      }
    });
  }

  async #readRows(area: Area, signal: AbortSignal): Promise<void> {
    const key = keyOf(area);
    if (this.#rows.has(key)) return;
    const rows = await memoryApi.rows(area, { signal });
    this.#rows = new Map([...this.#rows, [key, rows] as const].slice(-maxKept));
  }
}

function keyOf({ layer, from, to, bins }: Area): string {
  return [layer, from, to, bins].join(" ");
}
