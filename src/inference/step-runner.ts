/**
 * One run of the engine that reads ids on: each of some timelines is extended, all of them at once, with
 * its rows of the memory, its rotation and its part of the caches. Sessions and batches are made of it.
 * Knows slots by number; no requests, no sampling, no text.
 *
 * S slots, whose caches lie side by side; B rows of a run (the first B slots); T ids a row.
 */
import { NonFiniteError } from "../errors.ts";
import {
  type Addresses,
  type Distributions,
  joinLookUps,
  type LookUp,
  type MemoryReader,
  type TaughtNext,
  type TokenSpan,
} from "../memory/memory.ts";
import { io, writePositions } from "../model/index.ts";
import { firstNonFinite } from "../numerics/index.ts";
import type { Value } from "../tensor/index.ts";
import { DecodeStep } from "./decode-step.ts";
import type { Decoder } from "./decoder.ts";
import type { Caches } from "./key-values.ts";
import { mixLogits, weightsUnder } from "./mixture.ts";
import { type Addressed, fillOverlays, layersWritten } from "./overlays.ts";
import { mapValues, type Reading, type Want, type WriteSizes } from "./reading.ts";
import { raiseLogit } from "./taught.ts";
import type { Timeline } from "./timeline.ts";
import { controlsOf, setControls, type View } from "./view.ts";

/** What stands in a slot: a timeline, and how it is read. */
export interface Slot {
  readonly timeline: Timeline;
  readonly view: View;
  /** Of the view's memory. */
  readonly reader: MemoryReader | undefined;
}

export interface StepEntry {
  readonly slot: number;
  /** As many as the run is long, or fewer if it has one row only. */
  readonly ids: readonly number[];
}

export interface StepShape {
  readonly batch: number;
  readonly length: number;
}

/** Ids on their way: the row in which they stand, and what they extend. */
interface Staged extends Slot {
  readonly row: number;
  readonly span: TokenSpan;
}

/** What the ids of a run address in one memory. */
interface Asking extends Addressed {
  readonly reader: MemoryReader;
}

/** What was asked of the memory. */
interface Asked {
  readonly lookUp: LookUp;
  /** Of each of the staged, in their order; undefined for one that reads no memory. */
  readonly parts: readonly (AskedFor | undefined)[];
}

/** What was asked for one of the staged. */
interface AskedFor {
  readonly rows: Addresses["rows"];
  /** What the memory says itself, and the position of the first id there. */
  readonly distributions?: Distributions | undefined;
  /** What was taught, by the positions there. */
  readonly taught?: readonly TaughtNext[] | undefined;
  readonly first: number;
}

export class StepRunner {
  readonly #decoder: Decoder;
  readonly #slots: readonly Slot[];
  readonly #caches: Caches;
  readonly #steps = new Map<string, DecodeStep>();

  /** `caches` are the key-value caches [S,K,C,d] by their graph names. */
  constructor(
    decoder: Decoder,
    parts: { readonly slots: readonly Slot[]; readonly caches: Caches },
  ) {
    this.#decoder = decoder;
    this.#slots = parts.slots;
    this.#caches = parts.caches;
  }

  /**
   * Extends the timelines of the entries. If it rejects, none is. Logits and hidden states are views, valid until the
   * next run.
   */
  async run(entries: readonly StepEntry[], shape: StepShape, want: Want = {}): Promise<Reading[]> {
    const staged: Staged[] = [];
    try {
      for (const { slot: row, ids } of entries) {
        const { timeline, view, reader } = this.#slots[row]!;
        staged.push({ row, timeline, view, reader, span: timeline.stage(ids) });
      }
      const addressed = address(staged, shape);
      const step = this.#step(staged, shape, { want, addressed });
      for (const { slot: row, ids } of entries) {
        const into = step.inputs[io.ids]!.data;
        const first = row * shape.length;
        into.fill(0, first, first + shape.length);
        into.set(ids, first);
      }
      fillOverlays(step.inputs, addressed);
      const asked = ask(step, staged, addressed);
      const { prefetch } = this.#decoder;
      if (asked !== undefined && prefetch !== undefined)
        for (const { timeline, span } of staged)
          prefetch.observe(timeline, { start: span.from, isLate: !asked.lookUp.isDone });
      this.#fillInputs(step, staged, shape);
      await step.run(asked?.lookUp, () => {
        if (prefetch !== undefined) for (const one of staged) prefetch.speculate(one);
      });
      return staged.map((one, i) => this.#reading(step, one, asked?.parts[i]));
    } catch (error) {
      for (const { timeline, span } of staged) timeline.undo(span.from);
      throw error;
    }
  }

  async dispose(): Promise<void> {
    for (const step of this.#steps.values()) await step.dispose();
    this.#steps.clear();
  }

  /** Fills in the position of every row of the run, and the earlier inputs of its convolutions. */
  #fillInputs(
    { inputs, key }: DecodeStep,
    staged: readonly Staged[],
    { batch, length }: StepShape,
  ): void {
    const { config } = this.#decoder.model;
    const data = (name: string): Float32Array => inputs[name]!.data as Float32Array;
    const past = inputs[io.past]!.data;
    // A row that only pads the batch writes one position behind the end of its slot, which nobody
    // reads. In a full slot it overwrites the last position: `reuse` in the scheduler allows for that.
    for (let row = 0; row < batch; row++)
      past[row] = Math.min(this.#slots[row]!.timeline.length, this.#decoder.capacity - 1);
    for (const { row, span } of staged) past[row] = span.from;
    for (let row = 0; row < batch; row++) {
      const { timeline, view } = this.#slots[row]!;
      const position = past[row]!;
      const start = position - timeline.documentStart;
      past[row] = start;
      writePositions(config, inputs, { row, start, length });
      if (key.scaled === true || key.gated === true)
        setControls(inputs, view, {
          from: row,
          to: row + 1,
          layers: config.engram?.layerIds ?? [],
        });
      for (const layer of timeline.convLayers) {
        const before = timeline.convPast(layer, position);
        data(io.conv(layer)).set(before, row * before.length);
      }
    }
    const [{ span }] = staged as readonly [Staged];
    if (inputs[io.last] !== undefined) inputs[io.last]!.data[0] = span.to - span.from - 1;
  }

  /** Keeps what the timeline needs, and takes the row's part out of the outputs. */
  #reading(
    { outputs, key }: DecodeStep,
    one: Staged,
    { rows, distributions, taught, first }: AskedFor = { rows: new Map(), first: 0 },
  ): Reading {
    const { row, timeline, span } = one;
    const { hiddenSize, vocabSize } = this.#decoder.model.config;
    const count = span.to - span.from;
    const cut = (name: string, width: number, positions = count): Float32Array => {
      const { data } = outputs[name]!;
      const start = row * (data.length / key.batch);
      return (data as Float32Array).subarray(start, start + positions * width);
    };
    timeline.commit(span, (layer) => cut(io.next(io.conv(layer)), hiddenSize));
    const isHidden = key.logits === "none";
    const read = isHidden
      ? cut(io.hidden, hiddenSize)
      : cut(io.logits, vocabSize, key.logits === "last" ? 1 : count);
    checkFinite(read, one);
    let mixture: Float32Array = nothing;
    const from = isHidden ? count : count - read.length / vocabSize;
    const logitsAt = (at: number): Float32Array =>
      read.subarray((at - from) * vocabSize, (at - from + 1) * vocabSize);
    if (distributions !== undefined && !isHidden) {
      const width = distributions.count + 1;
      mixture = weightsUnder(cut(io.mixture, width), width, one.view);
      if (one.view.scale !== 0)
        for (let at = from; at < count; at++)
          mixLogits(logitsAt(at), mixture.subarray(at * width, (at + 1) * width), {
            of: distributions,
            position: first + at,
          });
    }
    for (const next of taught ?? []) {
      const at = next.position - first;
      if (at >= from && at < count) raiseLogit(logitsAt(at), next);
    }
    const gates = new Map<number, Float32Array>();
    const sizes = new Map<number, WriteSizes>();
    for (const layer of rows.keys()) {
      gates.set(layer, cut(io.gate(layer), 1).slice());
      if (key.sizes === true) {
        const [written, stream] = [io.written(layer), io.writtenTo(layer)];
        sizes.set(layer, { written: cut(written, 1).slice(), stream: cut(stream, 1).slice() });
      }
    }
    return {
      logits: isHidden ? nothing : read,
      hidden: isHidden ? read : nothing,
      gates,
      rows,
      mixture,
      sizes,
    };
  }

  #step(
    staged: readonly Staged[],
    { batch, length }: StepShape,
    { want, addressed }: { want: Want; addressed: readonly Asking[] },
  ): DecodeStep {
    const { logits = "last", sizes = false } = want;
    const asked = controlsOf(staged.map(({ view }) => view));
    const overlays = layersWritten(addressed);
    const name = `${batch} ${length} ${logits} ${sizes} ${asked.scaled} ${asked.gated} ${overlays}`;
    let step = this.#steps.get(name);
    if (step === undefined) {
      const caches = Object.fromEntries(
        Object.entries(this.#caches).map(([of, cache]) => [of, firstRows(cache, batch)]),
      );
      const key = {
        batch,
        length,
        ...asked,
        logits,
        ...(sizes && { sizes }),
        ...(overlays.length > 0 && { overlays }),
      };
      step = new DecodeStep(this.#decoder, { ...key, caches });
      this.#steps.set(name, step);
    }
    return step;
  }
}

const nothing = new Float32Array(0);

/** Addresses the new ids: together where one memory is read, so that what they share is read once. */
function address(staged: readonly Staged[], { batch, length }: StepShape): Asking[] {
  const [{ reader, view, span }] = staged as readonly [Staged];
  if (staged.every((other) => other.view.memory?.identity === view.memory?.identity)) {
    if (reader === undefined) return [];
    // A row of the run that extends nothing asks for what another one asks for.
    const spans = Array<TokenSpan>(batch).fill(span);
    for (const other of staged) spans[other.row] = other.span;
    return [{ reader, at: reader.address(spans), first: 0 }];
  }
  return staged.flatMap(({ reader: own, row, span: ofRow }) =>
    own === undefined ? [] : [{ reader: own, at: own.address([ofRow]), first: row * length }],
  );
}

/** Begins to look up what was addressed. */
function ask(
  step: DecodeStep,
  staged: readonly Staged[],
  addressed: readonly Asking[],
): Asked | undefined {
  if (addressed.length === 0) return undefined;
  const lookUps = addressed.map(({ reader, at, first }) =>
    reader.lookUp(at, vectorsOf(step, at, first)),
  );
  const parts = staged.map((one) => {
    const start = one.row * step.key.length;
    const i = addressed.findLastIndex(({ first }) => first <= start);
    const found = addressed[i];
    if (found === undefined || start >= found.first + found.at.numPositions) return undefined;
    const { at, first } = found;
    const { distributions } = lookUps[i]!;
    const rows = rowsOf(at, one.span, start - first);
    return { rows, distributions, taught: at.taught, first: start - first };
  });
  return { lookUp: lookUps.length === 1 ? lookUps[0]! : joinLookUps(lookUps), parts };
}

/** Where the memory's vectors go, [P, E] by layer, from position `first` of the run on. */
function vectorsOf(
  { vectors, key }: DecodeStep,
  { numPositions }: Addresses,
  first: number,
): ReadonlyMap<number, Float32Array> {
  const positions = key.batch * key.length;
  if (numPositions === positions) return vectors;
  return mapValues(vectors, (_, data) => {
    const width = data.length / positions;
    return data.subarray(first * width, (first + numPositions) * width);
  });
}

/** Those [n, C] that a span addresses, from position `start` of what was addressed on. */
function rowsOf(
  { rows, numPositions }: Addresses,
  span: TokenSpan,
  start: number,
): Addresses["rows"] {
  const count = span.to - span.from;
  if (numPositions === count) return rows;
  return mapValues(rows, (_, all) => {
    const columns = all.length / numPositions;
    return all.subarray(start * columns, (start + count) * columns);
  });
}

/**
 * Throws `NonFiniteError` unless the logits or hidden states that came of reading a span are finite. Weights and rows
 * were when they were read, so anything else overflowed on the way.
 */
function checkFinite(outputs: Float32Array, { timeline, span: { from } }: Staged): void {
  const at = firstNonFinite(outputs);
  if (at === -1) return;
  const layer = timeline.firstNonFinite(from);
  throw new NonFiniteError(
    `the text from position ${from} on led to ${outputs[at]} in place of a number: ` +
      (layer === undefined
        ? "keys and values of all layers are finite, so it arose in the last layer or after it"
        : `layer ${layer} is the first whose keys or values are not finite, so it arose there or in the layer before`) +
      "; the weights are too large to compute with, as training that diverged leaves them",
  );
}

function firstRows({ dtype, shape, data }: Value, rows: number): Value {
  const size = data.length / shape[0]!;
  return { dtype, shape: [rows, ...shape.slice(1)], data: data.subarray(0, rows * size) };
}
