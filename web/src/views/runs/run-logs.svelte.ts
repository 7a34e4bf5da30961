/**
 * The server's training runs, followed while somebody looks: their summaries once a second, and of each log what has
 * come since. Knows the routes; not how curves are drawn.
 */
import { getJson } from "../../api.ts";
import { type LogLine, RunSeries } from "./series.ts";

/** As `/engram/runs` has it. What is not known is null. */
export interface RunSummary {
  readonly name: string;
  readonly state: "finished" | "running" | "stopped" | "empty";
  /** Seconds since 1970. */
  readonly updated_at: number | null;
  readonly step: number;
  readonly steps: number | null;
  readonly tokens: number;
  readonly seconds: number;
  readonly num_params: number | null;
  readonly num_rows: number | null;
  readonly loss: number | null;
  readonly tokens_per_second: number | null;
  readonly gates: Readonly<Record<string, number>>;
  readonly valid_bits_per_byte: number | null;
  readonly valid_step: number | null;
  readonly bits_per_byte_without_memory: number | null;
  readonly bits_per_byte_trained_without: number | null;
}

/** A setting that not all runs share; a value for each run, null where it does not say. */
export interface Difference {
  readonly setting: string;
  readonly values: readonly (string | null)[];
}

interface LogAnswer {
  readonly lines: readonly LogLine[];
  readonly cursor: string;
  readonly restart: boolean;
  readonly end: boolean;
}

interface Followed {
  series: RunSeries;
  cursor: string;
  /** `updated_at` of the summary after which all lines had been read. */
  readUpTo: number | null | undefined;
}

const interval = 1000;

export class RunLogs {
  summaries: readonly RunSummary[] | undefined = $state.raw();
  differences: readonly Difference[] = $state.raw([]);
  /** Grows whenever some series has: what draws them reads it. */
  version = $state(0);
  failure: Error | undefined = $state.raw();
  readonly #followed = new Map<string, Followed>();

  seriesOf(name: string): RunSeries | undefined {
    return this.#followed.get(name)?.series;
  }

  /** Follows until the returned function is called. A page that nobody sees asks for nothing. */
  follow(): () => void {
    const stop = new AbortController();
    void this.#loop(stop.signal);
    return () => stop.abort();
  }

  async #loop(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (!document.hidden) await this.#tick(signal);
      await pause(interval, signal);
    }
  }

  async #tick(signal: AbortSignal): Promise<void> {
    try {
      const { runs, differences } = await getJson<{
        runs: RunSummary[];
        differences: Difference[];
      }>("engram/runs", { signal });
      let hasGrown = false;
      for (const run of runs) hasGrown = (await this.#read(run, signal)) || hasGrown;
      this.summaries = runs;
      this.differences = differences;
      if (hasGrown) this.version++;
      this.failure = undefined;
    } catch (error) {
      if (signal.aborted) return;
      // A server that went away may come back; what was read stays.
      this.failure = error as Error;
    }
  }

  /** True if there was anything new. */
  async #read(run: RunSummary, signal: AbortSignal): Promise<boolean> {
    let followed = this.#followed.get(run.name);
    if (followed === undefined)
      this.#followed.set(
        run.name,
        (followed = { series: new RunSeries(), cursor: "", readUpTo: undefined }),
      );
    if (followed.readUpTo === run.updated_at) return false;
    for (let isEnd = false; !isEnd;) {
      const query = new URLSearchParams({ run: run.name, cursor: followed.cursor });
      const answer = await getJson<LogAnswer>(`engram/runs/log?${query}`, { signal });
      if (answer.restart) followed.series = new RunSeries();
      followed.series.add(answer.lines);
      followed.cursor = answer.cursor;
      isEnd = answer.end;
    }
    followed.readUpTo = run.updated_at;
    return true;
  }
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
