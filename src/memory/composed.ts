/**
 * Several memories as one: the inputs of all, read together. One of them at most brings distributions. Knows only the
 * interface; no kinds of memory.
 */
import { InvalidConfigError } from "../errors.ts";
import {
  type Addresses,
  joinLookUps,
  type LookUp,
  type Memory,
  type MemoryInput,
  type MemoryReader,
  type MemoryUpdate,
  type Origins,
  statesIdentity,
  type TrainableMemory,
  type TrainableReader,
} from "./memory.ts";
import { mergeReports, type TableReport } from "./tiers.ts";

interface ComposedAddresses extends Addresses {
  readonly parts: readonly Addresses[];
}

export class ComposedMemory<Part extends Memory = Memory> implements Memory {
  readonly parts: readonly Part[];
  readonly inputs: readonly MemoryInput[];
  readonly numDistributions?: number;

  /** Throws `InvalidConfigError` for parts of the same layer, or several with distributions. */
  constructor(parts: readonly Part[]) {
    this.parts = parts;
    this.inputs = parts.flatMap(({ inputs }) => inputs);
    const speaking = parts.flatMap(({ numDistributions }) => numDistributions ?? []);
    if (new Set(this.inputs.map(({ layerId }) => layerId)).size < this.inputs.length)
      throw new InvalidConfigError(
        "a layer takes its vectors from one memory, got several for one",
      );
    if (speaking.length > 1)
      throw new InvalidConfigError(
        `one memory at most brings distributions, got ${speaking.length}`,
      );
    if (speaking.length === 1) this.numDistributions = speaking[0]!;
  }

  get identity(): string {
    return this.parts.map(({ identity }) => identity).join(" + ");
  }

  get statesIdentity(): string {
    return this.parts.map(statesIdentity).join(" + ");
  }

  get origins(): readonly Origins[] {
    return this.parts.flatMap(({ origins }) => origins ?? []);
  }

  get takesHints(): boolean {
    return this.parts.some(({ takesHints }) => takesHints);
  }

  reader(): MemoryReader {
    return new ComposedReader(this.parts.map((part) => part.reader()));
  }

  report(): TableReport {
    return mergeReports(this.parts.map((part) => part.report()));
  }
}

export class TrainableComposedMemory
  extends ComposedMemory<TrainableMemory>
  implements TrainableMemory
{
  trainingReader(): TrainableReader {
    const readers = this.parts.map((part) => part.trainingReader());
    return Object.assign(new ComposedReader(readers), {
      async update(gradients: ReadonlyMap<number, Float32Array>, by: MemoryUpdate): Promise<void> {
        for (const reader of readers) await reader.update(gradients, by);
      },
    });
  }
}

class ComposedReader implements MemoryReader {
  readonly #readers: readonly MemoryReader[];

  constructor(readers: readonly MemoryReader[]) {
    this.#readers = readers;
  }

  address(texts: Parameters<MemoryReader["address"]>[0]): ComposedAddresses {
    const parts = this.#readers.map((reader) => reader.address(texts));
    return {
      numPositions: parts[0]!.numPositions,
      rows: new Map(parts.flatMap(({ rows }) => [...rows])),
      parts,
    };
  }

  lookUp(at: Addresses, into: ReadonlyMap<number, Float32Array>): LookUp {
    const { parts } = at as ComposedAddresses;
    return joinLookUps(this.#readers.map((reader, i) => reader.lookUp(parts[i]!, into)));
  }

  hint(at: Addresses): void {
    for (const [i, reader] of this.#readers.entries())
      reader.hint((at as ComposedAddresses).parts[i]!);
  }
}
