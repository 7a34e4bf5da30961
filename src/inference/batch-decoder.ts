/**
 * Several timelines on one engine: slots whose caches lie side by side, so that one run of a graph
 * extends them all by a token each, whatever their lengths. A slot is a `Session`; a prompt goes in
 * through it, alone. One thing at a time: whoever owns this takes care that no two calls overlap.
 * Knows nothing of requests, queues or sampling.
 *
 * S slots, B rows of a run (the first B slots), C rows a token and layer of the memory, V vocabulary.
 */
import { InvariantError } from "../errors.ts";
import { memoryWidth, Retrieval } from "../memory/index.ts";
import { io, ropeAngles } from "../model/index.ts";
import { type Binding, type Value, zeros } from "../tensor/index.ts";
import { inputsOf } from "./language-model.ts";
import { type Decoder, emptyCaches, type Session } from "./session.ts";
import type { StagedIds } from "./timeline.ts";

export interface BatchEntry {
  readonly slot: number;
  /** The token to append to the slot's session. */
  readonly id: number;
}

/** What one token led to. Views are valid until the next call. */
export interface BatchResult {
  /** [V] */
  readonly logits: Float32Array;
  /** Of the appended token, by Engram layer. */
  readonly gates: ReadonlyMap<number, number>;
  /** Of the appended token, [C] by Engram layer. */
  readonly rows: ReadonlyMap<number, Uint32Array>;
}

interface Step {
  readonly binding: Binding;
  readonly inputs: Readonly<Record<string, Value>>;
  readonly outputs: Readonly<Record<string, Value>>;
}

export class BatchDecoder {
  readonly sessions: readonly Session[];
  readonly #decoder: Decoder;
  readonly #caches: Readonly<Record<string, Value>>;
  readonly #retrieval: Retrieval;
  readonly #steps = new Map<number, Promise<Step>>();

  constructor(decoder: Decoder, { slots }: { slots: number }) {
    this.#decoder = decoder;
    this.#caches = emptyCaches(decoder, slots);
    this.#retrieval = new Retrieval(decoder.model.memory?.tables ?? []);
    this.sessions = Array.from({ length: slots }, (_, slot) =>
      decoder.createSession({ caches: this.#slotCaches(slot) }),
    );
  }

  /** Appends one token to each of the named slots; results in the order given. */
  async step(entries: readonly BatchEntry[]): Promise<BatchResult[]> {
    const [only] = entries;
    if (entries.length === 1 && only !== undefined) return [await this.#alone(only)];
    const slots = entries.map(({ slot }) => slot);
    if (new Set(slots).size !== entries.length)
      throw new InvariantError(`a slot can take one token a step, got slots ${slots.join(", ")}`);
    const batch = this.#batchFor(Math.max(...slots) + 1);
    const step = await this.#step(batch);
    const before = entries.map(({ slot }) => this.sessions[slot]!.length);
    try {
      return await this.#run(step, { entries, batch });
    } catch (error) {
      for (const [i, { slot }] of entries.entries())
        this.sessions[slot]!.timeline.rewind(before[i]!);
      throw error;
    }
  }

  async dispose(): Promise<void> {
    for (const session of this.sessions) await session.dispose();
    for (const step of this.#steps.values()) (await step).binding.dispose();
    this.#steps.clear();
  }

  async #alone({ slot, id }: BatchEntry): Promise<BatchResult> {
    const session = this.sessions[slot]!;
    const logits = await session.append([id]);
    const gates = new Map([...session.gates].map(([layer, [gate]]) => [layer, gate!]));
    return { logits, gates, rows: session.rows };
  }

  /** Rows of a run are a power of two or all slots: few graphs, at most half of a run idle. */
  #batchFor(needed: number): number {
    let batch = 2;
    while (batch < needed) batch *= 2;
    return Math.min(batch, this.sessions.length);
  }

  async #run(
    { binding, inputs, outputs }: Step,
    { entries, batch }: { entries: readonly BatchEntry[]; batch: number },
  ): Promise<BatchResult[]> {
    const { config } = this.#decoder.model;
    const data = (name: string): Float32Array => inputs[name]!.data as Float32Array;
    const staged = new Map<number, StagedIds>();
    for (const { slot, id } of entries) {
      const session = this.sessions[slot]!;
      if (session.remaining === 0) throw new InvariantError(`slot ${slot} is full`);
      staged.set(slot, session.timeline.stage([id]));
      inputs[io.ids]!.data[slot] = id;
    }
    await this.#retrieve(inputs, staged);
    const half = config.headDim / 2;
    for (const [slot, session] of this.sessions.slice(0, batch).entries()) {
      // A row that only fills the batch writes one position behind its slot's end, which is read by
      // nobody. The last position of a full slot is lost to it: `reuse` in the scheduler knows.
      const start = Math.min(session.length, this.#decoder.capacity - 1);
      inputs[io.past]!.data[slot] = start;
      const place = [slot * half, (slot + 1) * half] as const;
      ropeAngles(
        { start, length: 1, headDim: config.headDim, theta: config.ropeTheta },
        { cos: data(io.cos).subarray(...place), sin: data(io.sin).subarray(...place) },
      );
      if (inputs[io.scale] !== undefined) data(io.scale)[slot] = session.scale;
      for (const layer of session.timeline.convLayers) {
        const past = session.timeline.convPast(layer);
        data(io.conv(layer)).set(past, slot * past.length);
      }
    }
    await binding.run();
    const out = (name: string): Float32Array => outputs[name]!.data as Float32Array;
    return entries.map(({ slot }) => {
      const ids = staged.get(slot)!;
      const width = config.hiddenSize;
      this.sessions[slot]!.timeline.commit(ids, (layer) =>
        out(io.next(io.conv(layer))).subarray(slot * width, (slot + 1) * width),
      );
      const logits = out(io.logits).subarray(slot * config.vocabSize);
      const layers = [...ids.rows.keys()];
      return {
        logits: logits.subarray(0, config.vocabSize),
        gates: new Map(layers.map((layer) => [layer, out(io.gate(layer))[slot]!])),
        rows: ids.rows,
      };
    });
  }

  /** Reads the rows of all slots of a layer at once: what they share is read once. */
  async #retrieve(inputs: Step["inputs"], staged: ReadonlyMap<number, StagedIds>): Promise<void> {
    const { engram } = this.#decoder.model.config;
    if (engram === undefined) return;
    const width = memoryWidth(engram);
    const columns = this.#decoder.model.memory!.addressing.numColumns;
    const slots = [...staged.keys()];
    await Promise.all(
      engram.layerIds.map(async (layerId) => {
        const rows = new Uint32Array(slots.length * columns);
        for (const [i, slot] of slots.entries())
          rows.set(staged.get(slot)!.rows.get(layerId)!, i * columns);
        const packed = new Float32Array(slots.length * width);
        await this.#retrieval.retrieve(layerId, { rows, memory_PE: packed });
        const into = inputs[io.memory(layerId)]!.data;
        for (const [i, slot] of slots.entries())
          into.set(packed.subarray(i * width, (i + 1) * width), slot * width);
      }),
    );
  }

  #step(batch: number): Promise<Step> {
    let step = this.#steps.get(batch);
    if (step === undefined) {
      step = this.#bind(batch);
      this.#steps.set(batch, step);
      // A failed compile must not be what every later step is told.
      step.catch(() => this.#steps.delete(batch));
    }
    return step;
  }

  async #bind(batch: number): Promise<Step> {
    const key = { batch, length: 1, logits: "last" } as const;
    const { graph, executable } = await this.#decoder.executables.get(key);
    const inputs: Record<string, Value> = { ...inputsOf(graph, this.#decoder.model.params) };
    const outputs: Record<string, Value> = {};
    for (const [name, cache] of Object.entries(this.#caches)) {
      const rows = firstRows(cache, batch);
      inputs[name] = rows;
      outputs[io.next(name)] = rows;
    }
    for (const [name, { dtype, shape }] of graph.inputs) inputs[name] ??= zeros(dtype, shape);
    for (const [name, { dtype, shape }] of graph.outputs) outputs[name] ??= zeros(dtype, shape);
    return { binding: executable.bind(inputs, outputs), inputs, outputs };
  }

  #slotCaches(slot: number): Record<string, Value> {
    return Object.fromEntries(
      Object.entries(this.#caches).map(([name, { dtype, shape, data }]) => {
        const size = data.length / shape[0]!;
        const rows = data.subarray(slot * size, (slot + 1) * size);
        return [name, { dtype, shape: [1, ...shape.slice(1)], data: rows }];
      }),
    );
  }
}

function firstRows({ dtype, shape, data }: Value, rows: number): Value {
  const size = data.length / shape[0]!;
  return { dtype, shape: [rows, ...shape.slice(1)], data: data.subarray(0, rows * size) };
}
