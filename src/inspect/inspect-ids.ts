/**
 * A full report of a model's reading of a sequence: tokens and the spellings that share their addresses, rows and their
 * contents, gates, losses and probabilities with and without the memory. The arithmetic is in `passes.ts`. This module
 * adds what the tokenizer and the tables know.
 */
import { RequestError } from "../errors.ts";
import type { Model } from "../opened-model.ts";
import { type Ablation, checkRowValues, type RetrievalTable } from "../memory/index.ts";
import { tokenText } from "../tokenizer/index.ts";
import { type Reading, readBothWays } from "./passes.ts";
import type { InspectReport, LayerReport, SpellingsReport } from "./report.ts";

export interface InspectOptions {
  /** Number of ids at the start that are not part of the text. Default 0. */
  readonly numHidden?: number;
  /** Factor on what the memory adds. Default 1. */
  readonly scale?: number;
  readonly ablate?: Ablation;
  /** How many of the most likely next tokens to report for every position, with and without the memory. Default 0. */
  readonly top?: number;
  readonly signal?: AbortSignal | undefined;
}

/** The most ids of one inspection: two passes over so many tokens take a few seconds with a small model. */
export const maxInspectedIds = 4096;

/** Throws `RequestError` for no ids or too many, and for parts that the memory does not have. */
export async function inspectIds(
  model: Model,
  ids: readonly number[],
  { numHidden = 0, scale = 1, ablate = {}, top = 0, signal }: InspectOptions = {},
): Promise<InspectReport> {
  if (ids.length === 0 || ids.length > maxInspectedIds)
    throw new RequestError(
      `an inspection reads 1..${maxInspectedIds} tokens, got ${ids.length}; send less text`,
    );
  const { tokenizer } = model;
  const readings = await readBothWays(model, ids, { scale, ablate, top, signal });
  const texts = new Map<number, string>();
  const textOf = (id: number): string => {
    let text = texts.get(id);
    if (text === undefined) texts.set(id, (text = tokenText(tokenizer, id)));
    return text;
  };
  const map = model.rows?.tokenMap.map;
  return {
    tokens: ids.map((id) => ({ id, text: textOf(id), compressed: map?.[id] ?? id })),
    num_hidden: numHidden,
    spellings: map === undefined ? {} : spellingsOf(map, ids, textOf),
    layers: await layerReports(model, readings),
    ...(model.counts !== undefined && {
      counts: { weights: readings.map(({ mixture }) => Array.from(mixture, round)) },
    }),
    log_probs: {
      on: [null, ...readings.slice(0, -1).map(({ next }) => round(next!.on))],
      off: [null, ...readings.slice(0, -1).map(({ next }) => round(next!.off))],
    },
    next:
      top === 0
        ? []
        : readings.map((reading) =>
            reading.top.map(({ id, on, off }) => ({
              id,
              text: textOf(id),
              on: round(on),
              off: round(off),
            })),
          ),
    totals: totalsOf(readings, {
      bytes: ids.slice(1).reduce((sum, id) => sum + tokenizer.tokenBytes(id).length, 0),
    }),
  };
}

function totalsOf(
  readings: readonly Reading[],
  { bytes }: { bytes: number },
): InspectReport["totals"] {
  const scored = readings.flatMap(({ next }) => (next === null ? [] : [next]));
  const loss = (of: (next: { on: number; off: number }) => number) => {
    const nats = scored.reduce((sum, next) => sum - of(next), 0);
    return { nats, bits_per_byte: bytes === 0 ? null : nats / Math.LN2 / bytes };
  };
  return {
    tokens: scored.length,
    bytes,
    on: loss(({ on }) => on),
    off: loss(({ off }) => off),
  };
}

/** Sets of spellings of spaces or digits can be large. The first ones are enough. */
const maxSpellings = 24;

function spellingsOf(
  map: Int32Array,
  ids: readonly number[],
  textOf: (id: number) => string,
): Record<string, SpellingsReport> {
  const members = new Map<number, number[]>(ids.map((id) => [map[id]!, []]));
  for (const [id, compressed] of map.entries()) members.get(compressed)?.push(id);
  return Object.fromEntries(
    [...members].map(([compressed, all]) => [
      compressed,
      {
        total: all.length,
        tokens: all.slice(0, maxSpellings).map((id) => ({ id, text: textOf(id) })),
      },
    ]),
  );
}

function layerReports(model: Model, readings: readonly Reading[]): Promise<LayerReport[]> {
  const memory = model.rows;
  if (memory === undefined) return Promise.resolve([]);
  const { numHeads } = memory.addressing.layout.config;
  return Promise.all(
    memory.addressing.layout.layers.map(async ({ layerId, primes, offsets }, i) => {
      const at = readings.map(({ layers }) => layers.get(layerId)!);
      const norms = await rowNorms(
        memory.tables[i]!,
        at.map(({ rows }) => rows),
      );
      return {
        layer: layerId,
        columns: primes.map((rows, column) => ({
          order: 2 + Math.floor(column / numHeads),
          head: column % numHeads,
          first_row: offsets[column]!,
          rows,
        })),
        after: {
          // Our transformer has one residual branch, so one gate. The released model has several.
          gates: at.map(({ gate }) => [round(gate)]),
          written: at.map(({ written }) => round(written)),
          stream: at.map(({ stream }) => round(stream)),
          rows: at.map(({ rows }) => [...rows]),
          norms,
        },
      };
    }),
  );
}

/** L2 norms of rows, [T][C]. */
async function rowNorms(
  { layerId, store, format }: RetrievalTable,
  rows: readonly Uint32Array[],
): Promise<number[][]> {
  const { headDim, rowBytes } = format;
  const norms: number[][] = [];
  for (const wanted of rows) {
    const bytes = new Uint8Array(wanted.length * rowBytes);
    const values = new Float32Array(wanted.length * headDim);
    await store.read(wanted, bytes);
    format.decode(bytes, values);
    checkRowValues({ layerId, format }, wanted, values);
    norms.push(
      Array.from(wanted, (_, i) =>
        round(Math.hypot(...values.subarray(i * headDim, (i + 1) * headDim))),
      ),
    );
  }
  return norms;
}

/** Six decimal places: finer than float32 arithmetic, and half the bytes. */
function round(value: number): number {
  return Math.round(value * 1e6) / 1e6;
}
