/**
 * Runs a model step by step: the graphs of its decode steps, compiled once for all sessions and batches.
 * Knows sizes and graphs; no timelines.
 */
import { InvalidConfigError } from "../errors.ts";
import {
  decodeGraph,
  type DecodeShape,
  type LayerRange,
  type MemoryInputs,
} from "../model/index.ts";
import type { Graph } from "../tensor/index.ts";
import { ExecutableCache, type LanguageModel } from "./language-model.ts";
import { MemoryMeter } from "./memory-meter.ts";
import { Session, type SessionOptions } from "./session.ts";
import { SpeculativePrefetch } from "./speculative-prefetch.ts";

export interface DecodeKey extends MemoryInputs {
  readonly batch: number;
  readonly length: number;
  readonly logits: DecodeShape["logits"];
  /** Whether to return the norms of what the memory added. */
  readonly sizes?: boolean;
  /** Only these layers. Default: the whole model. */
  readonly part?: LayerRange;
}

export interface DecoderOptions {
  /** Tokens a session holds. Default, and most: the model's `maxPositions`. */
  readonly capacity?: number | undefined;
}

export class Decoder {
  readonly model: LanguageModel;
  readonly capacity: number;
  /** For sessions and batches. */
  readonly executables: ExecutableCache<DecodeKey>;
  readonly meter: MemoryMeter = new MemoryMeter();
  /** Absent where no store takes hints. */
  readonly prefetch: SpeculativePrefetch | undefined;
  readonly #graphs = new Map<string, Graph>();

  constructor(model: LanguageModel, { capacity = model.config.maxPositions }: DecoderOptions = {}) {
    const { maxPositions, vocabSize } = model.config;
    if (!Number.isInteger(capacity) || capacity < 1 || capacity > maxPositions)
      throw new InvalidConfigError(
        `a context must hold 1..${maxPositions} tokens (the model's max_position_embeddings), got ${capacity}`,
      );
    this.model = model;
    this.capacity = capacity;
    if (model.memory?.takesHints === true)
      this.prefetch = new SpeculativePrefetch(vocabSize, this.meter);
    this.executables = new ExecutableCache(model.backend, (key) => this.graph(key));
  }

  /** The same graph for the same key: each session asks anew, and building one takes as long as some tokens. */
  graph(key: DecodeKey): Graph {
    const { model, capacity } = this;
    const { quantized, rowBlock } = model;
    const text = JSON.stringify(key);
    let graph = this.#graphs.get(text);
    if (graph === undefined) {
      graph = decodeGraph(model.config, { capacity, quantized, rowBlock, ...key });
      this.#graphs.set(text, graph);
    }
    return graph;
  }

  createSession(options: SessionOptions = {}): Session {
    return new Session(this, options);
  }

  async dispose(): Promise<void> {
    await this.executables.dispose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }
}
