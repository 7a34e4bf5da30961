/**
 * Where two packs say different things: contexts that both know, and how often their likeliest successors differ. Knows
 * counted tables; no files and no texts.
 */
import { InvariantError } from "../errors.ts";
import { BLOCK_BYTES, bucketOf, type CountedTable, noHead, RowScanner } from "../memory/index.ts";

/** A context after which two packs expect different ids. */
export interface Conflict {
  /** The farthest first. */
  readonly context: readonly number[];
  /** The likeliest id of each, with its count and how often the context was met. */
  readonly said: readonly [Said, Said];
}

interface Said {
  readonly id: number;
  readonly count: number;
  readonly total: number;
}

export interface Conflicts {
  /** Contexts of the smaller pack, and those of them that the other has, too. */
  readonly contexts: number;
  readonly shared: number;
  /** Of the shared: those with another likeliest successor. */
  readonly differing: number;
  /** Some of these, the surest first. */
  readonly examples: readonly Conflict[];
}

const MOST_EXAMPLES = 5;

/** Of the contexts of several ids of the first table, which should be the smaller. Tables are in memory. */
export function conflictsOf(one: CountedTable, other: CountedTable): Conflicts {
  const bytes = bucketBytes(one);
  const theirs = bucketBytes(other);
  const [walk, look] = [new RowScanner(one.vocabSize), new RowScanner(other.vocabSize)];
  const [mine, found] = [noHead(), noHead()];
  const context = new Uint32Array(one.order);
  let [contexts, shared, differing] = [0, 0, 0];
  const examples: (Conflict & { readonly weight: number })[] = [];
  const end = one.offsets.at(-1)!;
  for (let from = 0; from < end; from = walk.end) {
    const depth = walk.open(bytes, { from, to: end }, { context, head: mine });
    const at = walk.end;
    if (depth < 2) continue;
    contexts++;
    const where = { ids: context, place: depth, depth };
    if (depth >= other.order || context.subarray(0, depth).some((id) => id >= other.vocabSize))
      continue;
    const bucket = bucketOf(other, where);
    const range = { from: other.offsets[bucket]!, to: other.offsets[bucket + 1]! };
    if (!look.find(theirs, range, where, found)) continue;
    shared++;
    const said = [first(walk, bytes, mine), first(look, theirs, found)] as const;
    walk.end = at;
    if (said[0].id === said[1].id) continue;
    differing++;
    const weight = Math.min(...said.map(({ count, total }) => (count * count) / total));
    if (examples.length === MOST_EXAMPLES && weight <= examples.at(-1)!.weight) continue;
    examples.push({ context: [...context.subarray(0, depth)], said, weight });
    examples.sort((a, b) => b.weight - a.weight);
    examples.length = Math.min(examples.length, MOST_EXAMPLES);
  }
  return {
    contexts,
    shared,
    differing,
    examples: examples.map(({ context: of, said }) => ({ context: of, said })),
  };
}

function first(
  scanner: RowScanner,
  bytes: Uint8Array,
  head: Parameters<RowScanner["find"]>[3],
): Said {
  scanner.readSuccessors(bytes, head);
  return { id: scanner.ids[0]!, count: scanner.counts[0]!, total: head.total };
}

/** All buckets, one behind the other. */
function bucketBytes({ buckets }: CountedTable): Uint8Array {
  const rows = Uint32Array.from({ length: buckets.numRows }, (_, row) => row);
  const bytes = new Uint8Array(buckets.numRows * BLOCK_BYTES);
  if (buckets.readNow?.(rows, bytes) === true) return bytes;
  throw new InvariantError("conflicts are looked for in tables in memory");
}
