/**
 * Finds, for facts that are taught, a vector for each: added to the residual stream where a key stands, it makes the
 * facts' completions follow. The layers below run once; those above run forward and backward, with a gradient for the
 * vectors alone. Packed weights are unpacked for the layers above. Knows ids, one model and one engine; no text, scopes,
 * logs or sessions. (docs/decisions/0037-vectors-of-facts.md)
 */
import { DisposalStack } from "../disposal-stack.ts";
import { InvalidConfigError } from "../errors.ts";
import { ExecutableCache, type LanguageModel } from "../inference/index.ts";
import {
  convHistory,
  dequantizeMatrix,
  embedName,
  layerName,
  pastGraph,
  type PastShape,
  vectorGraph,
} from "../model/index.ts";
import { roundToBf16 } from "../numerics/index.ts";
import type { Value, Values } from "../tensor/index.ts";
import { type Edit, rowsOf, type Statement } from "./edit.ts";
import { SearchRun, type SearchShape } from "./search-run.ts";
import type { Which } from "./places.ts";
import { narrowed, searchTexts, type SearchTexts, type Sought, startFrom } from "./search-texts.ts";

/** What is added where an edit's keys end. */
export interface WrittenVector {
  readonly layerId: number;
  /** [D], bfloat16 numbers. */
  readonly vector: Float32Array;
}

export interface Written {
  readonly writes: readonly WrittenVector[];
  /** Least chance of a whole completion over the edit's statements. */
  readonly before: number;
  readonly after: number;
  /** "weak" where `after` is below the aim. */
  readonly status: "ok" | "weak";
  readonly steps: number;
}

export interface WriterOptions {
  /**
   * Layers before which a vector may be added, the first to try first. The next is tried where the aim was not reached,
   * or where a wording held back was not answered. Default: after a quarter of the layers, then after a half.
   */
  readonly layers?: readonly number[];
  /** Chance of every completion at which the search ends. Default 0.9. */
  readonly aim?: number;
  /** Default 25. */
  readonly maxSteps?: number;
  /** Weight of the leash's divergence. Default 0.0625 (ROME, arXiv 2202.05262). */
  readonly leash?: number;
  /** Longest vector, in lengths of the stream where it is added. Default 4 (ROME). */
  readonly maxLength?: number;
}

/** Texts of a run. */
const ROWS = 64;
/** Nats a step aims at: those of a chance of 0.98. */
const FLOOR = 0.02;
/** Where the mean chance of wordings held back is below this, the next layer is tried. */
const ANSWERED = 0.5;

const STAGES: readonly Which[] = ["asked", "window"];

interface Found extends Sought {
  readonly layer: number;
}

export class VectorWriter {
  readonly #model: LanguageModel;
  readonly #options: Required<WriterOptions>;
  /** Of the layers above, and of the head: numbers. */
  readonly #above: Values;
  readonly #pasts: ExecutableCache<PastShape>;
  readonly #searches: ExecutableCache<SearchShape>;

  /** Throws `InvalidConfigError` for layers that the model does not have. */
  constructor(model: LanguageModel, options: WriterOptions = {}) {
    const { backend, config, quantized, rowBlock } = model;
    const { numLayers } = config;
    const { layers = [...new Set([4, 2].map((part) => Math.floor(numLayers / part)))] } = options;
    for (const layer of layers)
      if (!Number.isInteger(layer) || layer < 0 || layer >= numLayers)
        throw new InvalidConfigError(
          `a vector is added before one of the layers 0..${numLayers - 1}, got ${layer}`,
        );
    const defaults = { aim: 0.9, maxSteps: 25, leash: 0.0625, maxLength: 4 };
    this.#options = { ...defaults, ...options, layers };
    this.#model = model;
    this.#above = numbersAbove(model, Math.min(...layers));
    this.#pasts = new ExecutableCache(backend, (shape) =>
      pastGraph(config, { ...shape, quantized, rowBlock }),
    );
    this.#searches = new ExecutableCache(backend, (shape) =>
      vectorGraph(config, { ...shape, rowBlock }),
    );
  }

  /** Throws `RequestError` for an edit whose prompts do not hold its keys. */
  async write(
    edits: readonly Edit[],
    { signal }: { signal?: AbortSignal | undefined } = {},
  ): Promise<Written[]> {
    const { aim, layers } = this.#options;
    const best: (Found & { answered: number })[] = [];
    let open = [...edits.keys()];
    for (const layer of layers) {
      const found = await this.#searchAll(
        open.map((i) => edits[i]!),
        { layer, signal },
      );
      const answered = await this.#answered(
        open.map((i) => edits[i]!),
        found,
      );
      for (const [n, i] of open.entries()) {
        const one = { ...found[n]!, answered: answered[n]! };
        const other = best[i];
        if (other === undefined || rank(one, aim) > rank(other, aim)) best[i] = one;
      }
      open = open.filter((i) => rank(best[i]!, aim) < 1 + ANSWERED);
      if (open.length === 0) break;
    }
    return best.map(({ best: { vector, chance }, layer, before, steps }) => ({
      writes: [{ layerId: layer, vector }],
      before: before!,
      after: chance,
      status: chance >= aim ? "ok" : "weak",
      steps,
    }));
  }

  /** Chances of the completions of statements that hold an edit's key, with a vector added there. */
  async chances(
    asked: readonly (WrittenVector & {
      readonly keys: Edit["keys"];
      readonly statements: readonly Statement[];
    })[],
  ): Promise<number[][]> {
    const chances: number[][] = [];
    for (const layer of new Set(asked.map(({ layerId }) => layerId))) {
      const here = [...asked.keys()].filter((i) => asked[i]!.layerId === layer);
      const rows = here.map((i) => startFrom(asked[i]!.vector, rowsOf(asked[i]!)));
      for (const [n, batch] of batches(rows)) {
        const texts = await searchTexts(this.#model, this.#pasts, { layer, sought: batch });
        const run = await this.#bind(texts, "window");
        try {
          const told = await run.run(batch.map(({ vector }) => vector));
          for (const [b, { statements }] of told.entries())
            chances[here[n + b]!] = statements.map(({ nats }) => Math.exp(-nats));
        } finally {
          run.dispose();
        }
      }
    }
    return chances;
  }

  async dispose(): Promise<void> {
    await using all = new DisposalStack();
    for (const cache of [this.#pasts, this.#searches]) all.adopt(cache, (one) => one.dispose());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  /** Mean chance of the wordings held back; 1 for an edit without. */
  async #answered(edits: readonly Edit[], found: readonly Found[]): Promise<number[]> {
    const asked = edits.flatMap(({ keys, validation = [] }, i) =>
      validation.length === 0
        ? []
        : {
            i,
            keys,
            statements: validation,
            layerId: found[i]!.layer,
            vector: found[i]!.best.vector,
          },
    );
    const answered = edits.map(() => 1);
    for (const [n, chances] of (await this.chances(asked)).entries())
      answered[asked[n]!.i] = chances.reduce((sum, p) => sum + p, 0) / chances.length;
    return answered;
  }

  async #searchAll(
    edits: readonly Edit[],
    { layer, signal }: { layer: number; signal: AbortSignal | undefined },
  ): Promise<Found[]> {
    const width = this.#model.config.hiddenSize;
    const all = edits.map((edit): Found => ({
      ...startFrom(new Float32Array(width), rowsOf(edit)),
      layer,
    }));
    for (const [, batch] of batches(all)) await this.#search(batch, { layer, signal });
    return all;
  }

  #bind(texts: SearchTexts, which: Which): Promise<SearchRun> {
    return SearchRun.create(texts, {
      which,
      config: this.#model.config,
      above: this.#above,
      searches: this.#searches,
    });
  }

  async #search(
    batch: readonly Sought[],
    { layer, signal }: { layer: number; signal: AbortSignal | undefined },
  ): Promise<void> {
    const { maxSteps } = this.#options;
    const all = await searchTexts(this.#model, this.#pasts, { layer, sought: batch });
    // First where it is asked about alone, then as it will be; a convolution needs the places between.
    const stages = convHistory(this.#model.config) > 0 ? STAGES.slice(1) : STAGES;
    for (const which of stages) {
      let active = batch;
      let texts = all;
      for (let step = 0; active.length > 0 && step < maxSteps;) {
        texts = narrowed(texts, active);
        const run = await this.#bind(texts, which);
        try {
          // What is finished is left out once that halves the work.
          for (const size = active.length; active.length > size / 2 && step < maxSteps; step++) {
            signal?.throwIfAborted();
            const done = await this.#step(run, which);
            active = active.filter((one) => !done.has(one));
          }
        } finally {
          run.dispose();
        }
      }
    }
  }

  /**
   * Moves each vector along its gradient, as far as would bring its loss to the floor if the loss were a plane (Polyak's
   * rule: (loss - floor) / |g|^2). Returns those that have arrived, which stay where they are.
   */
  async #step(run: SearchRun, which: Which): Promise<Set<Sought>> {
    const { aim, leash, maxLength } = this.#options;
    const rounded = run.sought.map(({ vector }) => vector.map(roundToBf16));
    const told = await run.run(rounded);
    const done = new Set<Sought>();
    for (const [e, one] of run.sought.entries()) {
      const { statements, leashes, streamLength } = told[e]!;
      const chance = Math.exp(-Math.max(...statements.map(({ nats }) => nats)));
      one.before ??= chance;
      if (which === "window" && chance > one.best.chance)
        one.best = { vector: rounded[e]!, chance };
      if (chance >= aim) {
        done.add(one);
        continue;
      }
      const { vector } = one;
      const gradient = new Float32Array(vector.length);
      let loss = 0;
      for (const [rows, weight] of [
        [statements, 1],
        [leashes, leash],
      ] as const)
        for (const { nats, gradient: of } of rows) {
          loss += (weight * nats) / rows.length;
          for (let i = 0; i < of.length; i++)
            gradient[i] = gradient[i]! + (weight * of[i]!) / rows.length;
        }
      const square = gradient.reduce((sum, x) => sum + x * x, 0);
      if (square === 0) continue;
      const far = Math.max(0, loss - FLOOR) / square;
      for (let i = 0; i < vector.length; i++) vector[i] = vector[i]! - far * gradient[i]!;
      one.steps++;
      const excess = Math.hypot(...vector) / (maxLength * streamLength);
      if (excess > 1) for (let i = 0; i < vector.length; i++) vector[i] = vector[i]! / excess;
    }
    return done;
  }
}

/** What is worth more: to have arrived, then to answer what was held back, then to have come near. */
function rank(
  { best: { chance }, answered }: Sought & { readonly answered: number },
  aim: number,
): number {
  return chance >= aim ? 1 + answered : chance * answered;
}

/** Parts of a list of edits whose texts fit into a run, with the index of their first. */
function* batches<One extends Sought>(all: readonly One[]): Generator<[number, One[]]> {
  for (let at = 0; at < all.length;) {
    const from = at;
    let count = 0;
    for (; at < all.length; at++) {
      count += all[at]!.rows.length;
      if (at > from && count > ROWS) break;
    }
    yield [from, all.slice(from, at)];
  }
}

/** The weights of the layers from `layer` on and of the head, all of them as numbers. */
function numbersAbove({ config, params, quantized }: LanguageModel, layer: number): Values {
  const all: Record<string, Value> = { ...params };
  const below = Array.from({ length: layer }, (_, i) => layerName(i, ""));
  for (const [name, matrix] of quantized ?? []) {
    if (below.some((prefix) => name.startsWith(prefix))) continue;
    if (name === embedName && !config.tieEmbeddings) continue;
    all[name] = dequantizeMatrix(matrix);
  }
  return all;
}
