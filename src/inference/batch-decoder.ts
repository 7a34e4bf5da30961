/**
 * Several timelines on one engine: slots whose caches lie side by side, so that one run of a graph
 * extends them all by a token each, whatever their lengths. A slot is a `Session`; a prompt goes in
 * through it, alone. One thing at a time: whoever owns this takes care that no two calls overlap.
 * Knows nothing of requests, queues or sampling.
 *
 * S slots, B rows of a run (the first B slots), C rows a token and layer of the memory, V vocabulary.
 */
import { InvariantError } from "../errors.ts";
import { type LookUp, memoryWidth, Retrieval } from "../memory/index.ts";
import { io, ropeAngles } from "../model/index.ts";
import type { Value } from "../tensor/index.ts";
import { DecodeStep } from "./decode-step.ts";
import { emptyCaches } from "./key-values.ts";
import type { Decoder, Session } from "./session.ts";
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

export class BatchDecoder {
  readonly sessions: readonly Session[];
  readonly #decoder: Decoder;
  readonly #caches: Readonly<Record<string, Value>>;
  readonly #retrieval: Retrieval;
  readonly #steps = new Map<string, DecodeStep>();

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
    const scaled = slots.some((slot) => this.sessions[slot]!.scale !== 1);
    const step = this.#step(batch, scaled);
    const before = entries.map(({ slot }) => this.sessions[slot]!.length);
    try {
      return await this.#run(step, { entries, batch });
    } catch (error) {
      for (const [i, { slot }] of entries.entries()) this.sessions[slot]!.undo(before[i]!);
      throw error;
    }
  }

  async dispose(): Promise<void> {
    for (const session of this.sessions) await session.dispose();
    for (const step of this.#steps.values()) await step.dispose();
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
    step: DecodeStep,
    { entries, batch }: { entries: readonly BatchEntry[]; batch: number },
  ): Promise<BatchResult[]> {
    const { inputs, outputs } = step;
    const { config } = this.#decoder.model;
    const data = (name: string): Float32Array => inputs[name]!.data as Float32Array;
    const staged = new Map<number, StagedIds>();
    for (const { slot, id } of entries) {
      const session = this.sessions[slot]!;
      if (session.remaining === 0) throw new InvariantError(`slot ${slot} is full`);
      staged.set(slot, session.stage([id]));
      inputs[io.ids]!.data[slot] = id;
    }
    const lookUp = this.#lookUp(inputs, staged);
    const half = config.headDim / 2;
    for (const [slot, session] of this.sessions.slice(0, batch).entries()) {
      // A row that only fills the batch writes one position behind its slot's end, which is read by
      // nobody. The last position of a full slot is lost to it: `reuse` in the scheduler knows.
      const last = this.#decoder.capacity - 1;
      const start = Math.min(session.length, last) - session.timeline.documentStart;
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
    const timelines = entries.map(({ slot }) => this.sessions[slot]!.timeline);
    const { guesses } = this.#decoder;
    if (lookUp !== undefined)
      for (const timeline of timelines)
        guesses?.read(timeline, { start: timeline.length, isLate: !lookUp.isDone });
    await step.run(lookUp, () => {
      for (const timeline of timelines) guesses?.guess(timeline, this.#retrieval);
    });
    const out = (name: string): Float32Array => outputs[name]!.data as Float32Array;
    const logitsOf = (slot: number): Float32Array =>
      out(io.logits).subarray(slot * config.vocabSize, (slot + 1) * config.vocabSize);
    for (const { slot } of entries)
      this.sessions[slot]!.checkFinite(logitsOf(slot), this.sessions[slot]!.length);
    return entries.map(({ slot }) => {
      const ids = staged.get(slot)!;
      const width = config.hiddenSize;
      this.sessions[slot]!.timeline.commit(ids, (layer) =>
        out(io.next(io.conv(layer))).subarray(slot * width, (slot + 1) * width),
      );
      const layers = [...ids.rows.keys()];
      return {
        logits: logitsOf(slot),
        gates: new Map(layers.map((layer) => [layer, out(io.gate(layer))[slot]!])),
        rows: ids.rows,
      };
    });
  }

  /** Looks up the rows of all slots of a layer at once: what they share is read once. */
  #lookUp(
    inputs: DecodeStep["inputs"],
    staged: ReadonlyMap<number, StagedIds>,
  ): LookUp | undefined {
    const { engram } = this.#decoder.model.config;
    if (engram === undefined) return undefined;
    const width = memoryWidth(engram);
    const columns = this.#decoder.model.memory!.addressing.numColumns;
    const batch = Math.max(...staged.keys()) + 1;
    return this.#retrieval.lookUp(
      engram.layerIds.map((layerId) => {
        // A row of the batch that has no token asks for what another one asks for.
        const [some] = staged.values();
        const rows = new Uint32Array(batch * columns);
        for (let slot = 0; slot < batch; slot++)
          rows.set((staged.get(slot) ?? some!).rows.get(layerId)!, slot * columns);
        const memory = inputs[io.memory(layerId)]!.data as Float32Array;
        return { layerId, rows, memory_PE: memory.subarray(0, batch * width) };
      }),
    );
  }

  #step(batch: number, scaled: boolean): DecodeStep {
    const key = `${batch} ${scaled}`;
    let step = this.#steps.get(key);
    if (step === undefined) {
      const caches = Object.fromEntries(
        Object.entries(this.#caches).map(([name, cache]) => [name, firstRows(cache, batch)]),
      );
      step = new DecodeStep(this.#decoder, { batch, length: 1, scaled, logits: "last", caches });
      this.#steps.set(key, step);
    }
    return step;
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
