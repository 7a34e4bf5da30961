/** What `engram doctor` found, as text. Computes nothing. */
import type { DoctorReport, TierForecast } from "../doctor.ts";
import { formatBytes, type RowTime } from "../machine/index.ts";

export function describeDoctor({
  machine,
  table,
  model,
  reads,
  disk,
  tiers,
}: DoctorReport): string {
  const { totalBytes, availableBytes, limitBytes, copyBytesPerSecond } = machine;
  const limit = limitBytes === undefined ? "" : `, limit ${formatBytes(limitBytes)}`;
  const lines = [
    `memory   ${formatBytes(totalBytes)}, ${formatBytes(availableBytes)} available${limit}; one thread copies ` +
      `${formatBytes(copyBytesPerSecond)}/s (reads and writes)`,
    `table    ${table.rows.toLocaleString("en-US")} rows, ${table.rowBytes} bytes each: ${formatBytes(table.bytes)}; ` +
      `${table.rowsPerToken} rows a token`,
    ...(model === undefined ? [] : [describeModel(model)]),
    "",
    `random rows at once   ${reads.memory.map(({ rows }) => String(rows).padStart(9)).join("")}   (mean, p99 in ms)`,
    ...readLines("in memory", reads.memory),
    ...readLines("disk, warm", reads.diskWarm),
    ...(reads.diskCold === undefined
      ? [
          disk.isInMemory
            ? `  ${disk.where} lies in memory: nothing there is ever cold`
            : "  disk, cold: not to be measured on this system",
        ]
      : readLines("disk, cold", reads.diskCold)),
    `  (${disk.where}; ${disk.readThreads} reads at a time, more with UV_THREADPOOL_SIZE)`,
    "",
    `tier                       memory   hits   tokens/s   p99 ms  waiting`,
    ...tiers.map((tier) => tierLine(tier, model?.compute !== undefined)),
    "",
    ...adviceLines(tiers, {
      hasCompute: model?.compute !== undefined,
      isWarmed: model?.usesCounted ?? true,
    }),
  ];
  return `${lines.join("\n")}\n`;
}

function describeModel({ path, layout, compute }: NonNullable<DoctorReport["model"]>): string {
  if (compute === undefined)
    return `model    ${path}: tables in the ${layout} layout; its backbone is not run here, so speeds are upper limits`;
  return `model    ${path}: computes a token in ${milliseconds(compute.mean)} ms, p99 ${milliseconds(compute.p99)}`;
}

function readLines(name: string, times: readonly RowTime[]): string[] {
  const line = (what: string, of: (time: RowTime) => number): string =>
    `  ${what.padEnd(18)}  ${times.map((time) => milliseconds(of(time)).padStart(9)).join("")}`;
  return [line(name, ({ mean }) => mean), line("  p99", ({ p99 }) => p99)];
}

function tierLine(
  { tier, hitRate, memoryBytes, fits, tokensPerSecond, token, stallShare }: TierForecast,
  hasCompute: boolean,
): string {
  const speed = Math.round(tokensPerSecond).toLocaleString("en-US");
  return [
    tier.padEnd(24),
    (fits ? formatBytes(memoryBytes) : `${formatBytes(memoryBytes)} !`).padStart(9),
    `${Math.round(100 * hitRate)} %`.padStart(7),
    (hasCompute ? speed : `< ${speed}`).padStart(11),
    milliseconds(token.p99).padStart(9),
    hasCompute ? `${(100 * stallShare).toFixed(1)} %`.padStart(9) : "",
  ].join("");
}

/** What does not fit, and what waits. */
function adviceLines(
  tiers: readonly TierForecast[],
  { hasCompute, isWarmed }: { hasCompute: boolean; isWarmed: boolean },
): string[] {
  const names = (some: readonly TierForecast[]): string => some.map(({ tier }) => tier).join("; ");
  const tooLarge = tiers.filter(({ fits }) => !fits);
  const waiting = tiers.filter(({ fits, stalls }) => fits && stalls);
  const smooth = tiers.filter(({ fits, stalls }) => fits && !stalls);
  return [
    ...(tooLarge.length === 0 ? [] : [`does not fit (!): ${names(tooLarge)}`]),
    ...(hasCompute
      ? [
          smooth.length === 0
            ? "waits more than 5 % of the time: every tier that fits"
            : `waits less than 5 % of the time: ${names(smooth)}`,
          ...(waiting.length === 0 || smooth.length === 0 ? [] : [`stalls: ${names(waiting)}`]),
        ]
      : []),
    `hits of caches are those of English articles (docs/log.md), ${isWarmed ? "warmed with" : "empty at first, as the model has no"} counts ` +
      "from training; misses are taken as cold where that was measured",
  ];
}

function milliseconds(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 1 ? value.toFixed(2) : value.toFixed(4);
}
