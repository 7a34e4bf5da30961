/**
 * Metrics of the memory: look-ups, stalls, caches, speculative prefetch, and the rows of each tier. A model without a
 * memory has the same metrics, all of them zero or without values. Knows no stores.
 */
import type { MemoryCosts, MemoryReport } from "../inference/index.ts";
import { type Metric, reading } from "./prometheus.ts";

type Labelled = readonly (readonly [label: string, value: number])[];

export function memoryMetrics(read: () => MemoryReport | undefined): Metric[] {
  const cost = (name: string, help: string, of: keyof MemoryCosts): Metric =>
    reading(`engram_memory_${name}_total`, {
      help,
      type: "counter",
      read: () => read()?.costs?.[of] ?? 0,
    });
  const labelled = (
    name: string,
    { help, label, type }: { help: string; label: string; type: "counter" | "gauge" },
    of: (report: MemoryReport) => Labelled,
  ): Metric =>
    reading(`engram_memory_${name}`, {
      help,
      type,
      label,
      read: () => {
        const report = read();
        return report === undefined ? [] : of(report);
      },
    });
  const tier = (
    name: string,
    { help, type }: { help: string; type: "counter" | "gauge" },
    of: "rows" | "bytes" | "rowsAsked" | "rowsServed" | "bytesRead" | "readSeconds",
  ): Metric =>
    labelled(name, { help, label: "tier", type }, ({ tiers }) =>
      tiers.flatMap((report) => {
        const value = report[of];
        return value === undefined ? [] : [[report.tier, value] as const];
      }),
    );
  return [
    cost("steps", "Runs of the model that looked up rows, or blocks of counts.", "steps"),
    cost("rows", "Rows and blocks looked up by these runs.", "rows"),
    cost("steps_ahead", "Runs that began before all their rows had been read.", "stepsAhead"),
    cost("stalls", "Runs that began early and then had to wait for rows.", "stalls"),
    cost("stall_seconds", "Time spent waiting for rows.", "stallSeconds"),
    cost("speculated_tokens", "Candidate next tokens whose rows were prefetched.", "speculated"),
    labelled(
      "speculation_outcomes_total",
      {
        help: "Candidates by whether they became the next token (right) or not (wrong).",
        label: "outcome",
        type: "counter",
      },
      ({ costs }) =>
        costs === undefined
          ? []
          : [
              ["right", costs.speculatedRight],
              ["wrong", costs.speculatedWrong],
            ],
    ),
    labelled(
      "cache_rows_total",
      {
        help: "Rows asked of the caches: cached (hit), prefetched (hinted), being read already (joined), or read now (miss).",
        label: "outcome",
        type: "counter",
      },
      ({ cache }) =>
        cache === undefined
          ? []
          : [
              ["hit", cache.hits],
              ["hinted", cache.prefetchHits],
              ["joined", cache.joined],
              ["miss", cache.misses],
            ],
    ),
    labelled(
      "hinted_rows_total",
      {
        help: "Rows read by prefetching (read), and those dropped without use (wasted).",
        label: "outcome",
        type: "counter",
      },
      ({ cache }) =>
        cache === undefined
          ? []
          : [
              ["read", cache.prefetchedRows],
              ["wasted", cache.prefetchesWasted],
            ],
    ),
    labelled(
      "warmed_rows_total",
      {
        help: "Rows loaded into the caches at the start: those used most in training.",
        label: "tier",
        type: "counter",
      },
      ({ cache }) => (cache === undefined ? [] : [["ram", cache.warmedRows]]),
    ),
    tier("tier_rows", { help: "Rows stored in a tier.", type: "gauge" }, "rows"),
    tier("tier_bytes", { help: "Bytes of the rows stored in a tier.", type: "gauge" }, "bytes"),
    tier("tier_rows_asked_total", { help: "Rows asked of a tier.", type: "counter" }, "rowsAsked"),
    tier(
      "tier_rows_read_total",
      { help: "Rows that a tier returned.", type: "counter" },
      "rowsServed",
    ),
    tier(
      "tier_read_bytes_total",
      { help: "Bytes read from a tier.", type: "counter" },
      "bytesRead",
    ),
    tier(
      "tier_read_seconds_total",
      { help: "Time of a tier's reads; reads at the same time count separately.", type: "counter" },
      "readSeconds",
    ),
  ];
}
