/**
 * What a model will take of a machine's memory, part by part, before anything is allocated: sizes in, plan out.
 * Knows numbers only: no files, no stores, and not how the machine's memory was found out (`node/machine-memory.ts`).
 *
 * Counted is what grows with the model and what its user chooses: weights, keys and values, tables or the caches
 * in front of them, and in training gradients, optimizer state and the largest activations. Not counted is what the
 * program takes of its own (engine, JavaScript: about 150 MiB), most of which is taken already when a plan is made.
 */
import { InvalidConfigError } from "../errors.ts";

/** What there is, in bytes. */
export interface MachineMemory {
  readonly totalBytes: number;
  /** What can be taken without pushing out what others use, under the limit, if there is one. */
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
  /** Bytes of the keys and values of one position. */
  readonly positionBytes: number;
  readonly tables: readonly TableSize[];
}

/** What the model shall be used for. */
export interface MemoryUse {
  /** Positions of all texts that are open at a time, for their keys and values. */
  readonly positions?: number;
  /** Memory for all tables together, which then stay on disk. Without it they are held whole. */
  readonly tableMemory?: number | undefined;
  readonly training?: TrainingUse;
}

export interface TrainingUse {
  /** Arrays as large as the weights: gradients, moments. */
  readonly arrays: number;
  /** Optimizer state of a table row. */
  readonly rowStateBytes: number;
  readonly activationBytes: number;
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
      bytes: weightBytes * training.arrays + numRows * training.rowStateBytes,
    });
  if (positions > 0) parts.push({ what: "KV cache", bytes: positions * positionBytes });
  if (tables.length > 0)
    parts.push(
      tableMemory === undefined
        ? { what: name, bytes: tableBytes }
        : { what: `${name} cache`, bytes: tableMemory, onDisk: tableBytes },
    );
  if (training !== undefined) parts.push({ what: "activations", bytes: training.activationBytes });
  const bytes = sum(parts.map((part) => part.bytes));
  return { parts, bytes, machine, fits: bytes <= machine.availableBytes };
}

/** One line: "memory: weights 28 MiB + KV cache 3.0 MiB + table 244 MiB = 275 MiB of 17.6 GiB available". */
export function describePlan({ parts, bytes, machine }: MemoryPlan): string {
  const { availableBytes, limitBytes } = machine;
  const limit = limitBytes === undefined ? "" : ` (limit ${formatBytes(limitBytes)})`;
  return `memory: ${describeParts(parts)} = ${formatBytes(bytes)} of ${formatBytes(availableBytes)} available${limit}`;
}

/** Throws `InvalidConfigError` with the numbers where the plan does not fit. `advice` ends "free some, or ...". */
export function checkPlan(
  { parts, bytes, machine, fits }: MemoryPlan,
  { subject, advice }: { subject: string; advice: string },
): void {
  if (fits) return;
  const gibibytes = (n: number): string => `${(n / 2 ** 30).toFixed(2)} GiB`;
  const limit =
    machine.limitBytes === undefined
      ? ""
      : ` (this program's control group may use ${gibibytes(machine.limitBytes)})`;
  throw new InvalidConfigError(
    `${subject} needs ${gibibytes(bytes)} of memory (${describeParts(parts)}), ` +
      `${gibibytes(machine.availableBytes)} are available${limit}; free some, or ${advice}`,
  );
}

function describeParts(parts: readonly PlanPart[]): string {
  return parts
    .map(({ what, bytes, onDisk }) => {
      const behind = onDisk === undefined ? "" : ` (${formatBytes(onDisk)} on disk)`;
      return `${what} ${formatBytes(bytes)}${behind}`;
    })
    .join(" + ");
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
