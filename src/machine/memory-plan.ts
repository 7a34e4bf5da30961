/**
 * Plans how much memory a model will take, part by part, before anything is allocated. Knows numbers only: no files,
 * no stores, and not how the machine's memory is measured (`node/machine-memory.ts`).
 *
 * A plan counts what depends on the model and on options: weights, keys and values, tables or their caches, and in
 * training gradients, optimizer state and the largest activations. It does not count the program itself (engine,
 * JavaScript: about 150 MiB), which is mostly allocated before the plan is made.
 */
import { InvalidConfigError } from "../errors.ts";

/** What there is, in bytes. */
export interface MachineMemory {
  readonly totalBytes: number;
  /** Memory that can be allocated without evicting pages in use, within the limit if there is one. */
  readonly availableBytes: number;
  /** Set for this program or its container by a control group, where it is less than the total. */
  readonly limitBytes?: number;
}

export interface TableSize {
  readonly layerId: number;
  readonly numRows: number;
  readonly rowBytes: number;
}

export interface ModelSizes {
  /** Bytes of the backbone's weights. */
  readonly weightBytes: number;
  /** The same in smaller types, by their names, largest first. */
  readonly packedBytes?: Readonly<Record<string, number>>;
  /** Bytes of the keys and values of one position. */
  readonly positionBytes: number;
  readonly tables: readonly TableSize[];
}

/** What the model is used for. */
export interface MemoryUse {
  /** Positions of all open texts together, for their keys and values. */
  readonly positions?: number;
  /** Memory for all tables together, which then stay on disk. Without it they are held whole. */
  readonly tableMemory?: number | undefined;
  readonly training?: TrainingUse;
}

export interface TrainingUse {
  /** Gradients and moments of the weights that are trained. */
  readonly stateBytes: number;
  /** Optimizer state of a table row. */
  readonly rowStateBytes: number;
  readonly activationBytes: number;
  /** What else training holds. */
  readonly others?: readonly PlanPart[];
}

export interface PlanPart {
  readonly what: string;
  /** Of memory. */
  readonly bytes: number;
  /** Of a table that stays on disk, all of it. */
  readonly onDisk?: number;
}

export interface MemoryPlan {
  readonly parts: readonly PlanPart[];
  /** Of memory, all parts together. */
  readonly bytes: number;
  readonly machine: MachineMemory;
  readonly fits: boolean;
}

export function planMemory(
  { weightBytes, positionBytes, tables }: ModelSizes,
  { use, machine }: { use: MemoryUse; machine: MachineMemory },
): MemoryPlan {
  const { positions = 0, tableMemory, training } = use;
  const tableBytes = sum(tables.map(({ numRows, rowBytes }) => numRows * rowBytes));
  const numRows = sum(tables.map((table) => table.numRows));
  const name = tables.length === 1 ? "table" : `${tables.length} tables`;
  const parts: PlanPart[] = [{ what: "weights", bytes: weightBytes }];
  if (training !== undefined)
    parts.push({
      what: "optimizer",
      bytes: training.stateBytes + numRows * training.rowStateBytes,
    });
  if (positions > 0) parts.push({ what: "KV cache", bytes: positions * positionBytes });
  if (tables.length > 0)
    parts.push(
      tableMemory === undefined
        ? { what: name, bytes: tableBytes }
        : { what: `${name} cache`, bytes: tableMemory, onDisk: tableBytes },
    );
  if (training !== undefined)
    parts.push(...(training.others ?? []), {
      what: "activations",
      bytes: training.activationBytes,
    });
  const bytes = sum(parts.map((part) => part.bytes));
  return { parts, bytes, machine, fits: bytes <= machine.availableBytes };
}

/** One line: "memory: weights 28.4 MiB + KV cache 3.0 MiB + table 243.6 MiB = 275.0 MiB of 17.6 GiB available". */
export function describePlan(plan: MemoryPlan): string {
  const { availableBytes, limitBytes } = plan.machine;
  const limit = limitBytes === undefined ? "" : ` (limit ${formatBytes(limitBytes)})`;
  const { parts, sum: all } = describeSum(plan);
  return `memory: ${parts} = ${all} of ${formatBytes(availableBytes)} available${limit}`;
}

/** Throws `InvalidConfigError` with the numbers where the plan does not fit. `advice` ends "free some, or ...". */
export function checkPlan(
  plan: MemoryPlan,
  { subject, advice }: { subject: string; advice: string },
): void {
  if (plan.fits) return;
  const { availableBytes, limitBytes } = plan.machine;
  const limit =
    limitBytes === undefined
      ? ""
      : ` (this program's control group may use ${formatBytes(limitBytes)})`;
  const { parts, sum: all } = describeSum(plan);
  throw new InvalidConfigError(
    `${subject} needs ${all} of memory (${parts}), ` +
      `${formatBytes(availableBytes)} are available${limit}; free some, or ${advice}`,
  );
}

/**
 * The parts and their sum in one unit, with enough digits for a tenth of the smallest part (at most three decimals).
 * They are rounded so that the printed numbers add up.
 */
function describeSum({ parts, bytes }: MemoryPlan): { parts: string; sum: string } {
  let unit = 0;
  while (unit < UNITS.length - 1 && bytes / 1024 ** (unit + 1) >= 10) unit++;
  const scale = 1024 ** unit;
  const smallest = Math.min(...parts.map((part) => part.bytes).filter((n) => n > 0)) / scale;
  // There is no tenth of a byte.
  const mostDigits = unit === 0 ? 0 : 3;
  let digits = 0;
  while (digits < mostDigits && smallest * 10 ** digits < 10) digits++;
  const steps = apportion(
    parts.map((part) => (part.bytes / scale) * 10 ** digits),
    Math.round((bytes / scale) * 10 ** digits),
  );
  const format = (n: number): string => {
    // What Intl would write in English, of which the first use takes as long as all the rest of a plan.
    const [whole, fraction] = (n / 10 ** digits).toFixed(digits).split(".") as [string, string?];
    const grouped = whole.replaceAll(/\B(?=(\d{3})+$)/g, ",");
    return `${grouped}${fraction === undefined ? "" : `.${fraction}`} ${UNITS[unit]}`;
  };
  const described = parts.map(({ what, onDisk }, i) => {
    const behind = onDisk === undefined ? "" : ` (${formatBytes(onDisk)} on disk)`;
    return `${what} ${format(steps[i]!)}${behind}`;
  });
  return { parts: described.join(" + "), sum: format(sum(steps)) };
}

/** Rounds `values` to integers with the sum `total`: rounds all down, then up where the remainder is largest. */
function apportion(values: readonly number[], total: number): number[] {
  const whole = values.map(Math.floor);
  const byLoss = values
    .map((_, i) => i)
    .toSorted((a, b) => values[b]! - whole[b]! - (values[a]! - whole[a]!));
  for (const i of byLoss.slice(0, total - sum(whole))) whole[i]!++;
  return whole;
}

const UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"] as const;

/** Three digits: "812 bytes", "28.4 MiB", "1.25 GiB". */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  // 1,023.7 of a unit would round to 1024.
  while (value >= 1023.5 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0);
}
