/** A memory that adds given vectors to the stream wherever one of their keys ends, and is otherwise the one it is put around. */
import type { Addresses, Memory, StreamWrite } from "../../src/memory/memory.ts";

export interface KeyedVector {
  readonly keys: readonly (readonly number[])[];
  readonly layerId: number;
  readonly vector: Float32Array;
}

export function streamWrites(base: Memory | undefined, vectors: readonly KeyedVector[]): Memory {
  return {
    identity: `vectors at ${vectors.flatMap(({ keys }) => keys).join("; ")}`,
    inputs: base?.inputs ?? [],
    takesHints: false,
    report: () => base!.report(),
    reader() {
      const reader = base?.reader();
      return {
        address(spans) {
          const writes: StreamWrite[] = [];
          let position = 0;
          for (const { ids, begin = 0, from, to } of spans)
            for (let at = from; at < to; at++, position++)
              for (const { keys, layerId, vector } of vectors)
                if (keys.some((key) => endsAt(key, { ids, at, begin })))
                  writes.push({ position, layerId, vector });
          const of = reader?.address(spans) ?? { numPositions: position, rows: new Map() };
          return { ...of, of, writes };
        },
        lookUp(at, into) {
          if (reader === undefined) return nothingToRead;
          return reader.lookUp((at as Addresses & { of: Addresses }).of, into);
        },
        hint: () => undefined,
      };
    },
  };
}

function endsAt(
  key: readonly number[],
  { ids, at, begin }: { ids: ArrayLike<number>; at: number; begin: number },
): boolean {
  const start = at - key.length + 1;
  return start >= begin && key.every((id, i) => ids[start + i] === id);
}

const nothingToRead = {
  numRows: 0,
  isDone: true,
  begin: () => undefined,
  hasArrived: () => true,
  arrival: async () => undefined,
  all: async () => undefined,
  settled: async () => undefined,
};
