/**
 * What would make a model fit that does not: each option alone that is enough, with what the model then takes, or all of
 * them together. Knows numbers and the names of options; allocates nothing.
 */
import {
  formatBytes,
  type MachineMemory,
  type MemoryUse,
  type ModelSizes,
  planMemory,
} from "./memory-plan.ts";

interface Change {
  readonly option: string;
  readonly sizes?: Partial<ModelSizes>;
  readonly use?: Partial<MemoryUse>;
}

/** Of all tables together: what still finds most rows that a text repeats. */
const TABLE_CACHE_BYTES = 64 * 2 ** 20;
/** A shorter context answers hardly any question. */
const LEAST_POSITIONS = 128;

/** To be read behind "free some, or ...". */
export function whatFits(
  sizes: ModelSizes,
  { use, machine }: { use: MemoryUse; machine: MachineMemory },
): string {
  const bytesWith = (changes: readonly Change[]): number =>
    planMemory(Object.assign({}, sizes, ...changes.map((one) => one.sizes)) as ModelSizes, {
      use: Object.assign({}, use, ...changes.map((one) => one.use)) as MemoryUse,
      machine,
    }).bytes;
  const changes = changesOf(sizes, use);
  const context = contextThatFits(sizes, {
    use,
    available: machine.availableBytes - bytesWith([]),
  });
  const enough = changes
    .map((change) => ({ ...change, bytes: bytesWith([change]) }))
    .filter(({ bytes }) => bytes <= machine.availableBytes)
    .map(({ option, bytes }) => `${option} (${formatBytes(bytes)})`);
  if (context !== undefined) enough.push(context);
  if (enough.length > 0) return `open it with ${enough.join(", or with ")}`;
  const together = smallestOf(changes);
  const least = bytesWith([...together, { option: "", use: { positions: LEAST_POSITIONS } }]);
  if (least > machine.availableBytes)
    return `take a smaller model: with the smallest settings it takes ${formatBytes(least)}`;
  const options = [
    ...together.map(({ option }) => option),
    `a context of ${LEAST_POSITIONS} tokens (--ctx-size of engram chat and serve)`,
  ];
  return `open it with ${options.join(" and ")}: ${formatBytes(least)}`;
}

function changesOf({ tables, packedBytes = {} }: ModelSizes, { tableMemory }: MemoryUse): Change[] {
  const changes: Change[] = [];
  if (tables.length > 0) {
    changes.push({ option: "--no-memory", sizes: { tables: [] } });
    if (tableMemory === undefined || tableMemory > TABLE_CACHE_BYTES)
      changes.push({
        option: `--table-memory 64MiB, which leaves the tables in their files`,
        use: { tableMemory: TABLE_CACHE_BYTES },
      });
  }
  for (const [dtype, weightBytes] of Object.entries(packedBytes))
    changes.push({ option: `--dtype ${dtype}`, sizes: { weightBytes } });
  return changes;
}

/** One change of each kind: the last, smallest weights, and no tables. */
function smallestOf(changes: readonly Change[]): Change[] {
  const weights = changes.findLast(({ sizes }) => sizes?.weightBytes !== undefined);
  const tables = changes.find(({ sizes }) => sizes?.tables !== undefined);
  return [tables, weights].filter((one) => one !== undefined);
}

/** The positions that there is room for, if fewer of them are all it takes. */
function contextThatFits(
  { positionBytes }: ModelSizes,
  { use: { positions = 0 }, available }: { use: MemoryUse; available: number },
): string | undefined {
  const fitting = positions + Math.floor(available / positionBytes);
  if (fitting < LEAST_POSITIONS || fitting >= positions) return undefined;
  return `fewer tokens at a time, ${fitting.toLocaleString("en-US")} in all (--ctx-size of engram chat and serve, --parallel of engram serve)`;
}
