/**
 * What a session or a scorer runs: configuration, engine, weights and, unless it is switched off, a memory. Memory
 * and graphs meet here, and do not know each other. Knows nothing of text, files or training.
 */
import { DisposalStack } from "../disposal-stack.ts";
import { RequestError } from "../errors.ts";
import type { Memory } from "../memory/memory.ts";
import type { ModelConfig, WeightForm } from "../model/index.ts";
import type { Backend, Executable, Graph, Values } from "../tensor/index.ts";

/**
 * Configuration, engine, weights and memory: all that is needed to go from ids to logits. Sessions and scorers use
 * only the interface of the memory; the code that opened it may know its kind.
 */
export interface LanguageModel<OfMemory extends Memory = Memory> extends WeightForm {
  /** Has `engram` or `counted`, or both, exactly if `memory` is there. */
  readonly config: ModelConfig;
  readonly backend: Backend;
  /**
   * Weights by name, without those that are packed; may hold more than `config` needs (those of a memory that is off).
   * With `rowBlock`, matrices in blocks: `numbersByRows` gives their numbers in order.
   */
  readonly params: Values;
  readonly memory: OfMemory | undefined;
}

/** The same model without the memory: its rows are not read, and its layers are not computed. */
export function withoutMemory<OfMemory extends Memory>(
  model: LanguageModel<OfMemory>,
): LanguageModel<OfMemory> {
  const { engram: _rows, counted: _counts, ...config } = model.config;
  return { ...model, config, memory: undefined };
}

/** Those of `values` that `graph` declares as inputs. */
export function inputsOf(graph: Graph, values: Values): Values {
  return Object.fromEntries(Object.entries(values).filter(([name]) => graph.inputs.has(name)));
}

export function checkTokenIds(ids: ArrayLike<number>, vocabSize: number): void {
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i]!;
    if (!Number.isInteger(id) || id < 0 || id >= vocabSize)
      throw new RequestError(
        `token id ${id} at position ${i} is outside the vocabulary 0..${vocabSize - 1}`,
      );
  }
}

/**
 * Compiles a graph once for each key, also if several callers ask at the same time. A failed compilation is tried
 * again.
 */
export class ExecutableCache<Key> {
  readonly #backend: Backend;
  readonly #build: (key: Key) => Graph;
  readonly #entries = new Map<string, Promise<CompiledGraph>>();

  constructor(backend: Backend, build: (key: Key) => Graph) {
    this.#backend = backend;
    this.#build = build;
  }

  get(key: Key): Promise<CompiledGraph> {
    const text = JSON.stringify(key);
    let entry = this.#entries.get(text);
    if (entry === undefined) {
      entry = this.#compile(key);
      this.#entries.set(text, entry);
      entry.catch(() => this.#entries.delete(text));
    }
    return entry;
  }

  async dispose(): Promise<void> {
    await using all = new DisposalStack();
    for (const entry of this.#entries.values())
      all.adopt(entry, async () => (await entry.catch(() => undefined))?.executable.dispose());
    this.#entries.clear();
  }

  async #compile(key: Key): Promise<CompiledGraph> {
    const graph = this.#build(key);
    return { graph, executable: await this.#backend.compile(graph) };
  }
}

export interface CompiledGraph {
  readonly graph: Graph;
  readonly executable: Executable;
}
