/**
 * The reference evaluator behind the `Backend` interface. Slow and simple: for tests, and for reading what a graph
 * means. Rounds to single precision once, when an output is written.
 */
import { BackendError } from "../../../errors.ts";
import {
  type Backend,
  type Binding,
  checkBinding,
  type Executable,
  type Values,
} from "../../backend.ts";
import type { Graph, TensorData } from "../../graph.ts";
import { evaluateGraph } from "./evaluate.ts";

/** Plain loops in double precision: the oracle for other backends. Too slow for a model that is used. */
export function referenceBackend(): Backend {
  return new ReferenceBackend();
}

/** Whether an owner is alive. Objects that it created hold this and check it before every use. */
interface Life {
  readonly parent?: Life;
  ended: boolean;
}

function refuseIfEnded(life: Life, what: string): void {
  for (let l: Life | undefined = life; l !== undefined; l = l.parent)
    if (l.ended) throw new BackendError(`${what} after dispose; keep it, or what made it, longer`);
}

class ReferenceBackend implements Backend {
  readonly name = "reference";
  readonly #life: Life = { ended: false };

  async compile(graph: Graph): Promise<Executable> {
    refuseIfEnded(this.#life, "compile");
    return new ReferenceExecutable(graph, this.#life);
  }

  async dispose(): Promise<void> {
    this.#life.ended = true;
  }
}

class ReferenceExecutable implements Executable {
  readonly #graph: Graph;
  readonly #life: Life;

  constructor(graph: Graph, parent: Life) {
    this.#graph = graph;
    this.#life = { parent, ended: false };
  }

  bind(inputs: Values, outputs: Values): Binding {
    refuseIfEnded(this.#life, "bind");
    checkBinding(this.#graph, inputs, outputs);
    return new ReferenceBinding(this.#graph, { inputs, outputs, parent: this.#life });
  }

  async dispose(): Promise<void> {
    this.#life.ended = true;
  }
}

class ReferenceBinding implements Binding {
  readonly #graph: Graph;
  readonly #inputs: ReadonlyMap<string, TensorData>;
  readonly #outputs: ReadonlyMap<string, TensorData>;
  readonly #life: Life;

  constructor(
    graph: Graph,
    { inputs, outputs, parent }: { inputs: Values; outputs: Values; parent: Life },
  ) {
    this.#graph = graph;
    this.#inputs = new Map(Object.entries(inputs).map(([name, { data }]) => [name, data]));
    this.#outputs = new Map(Object.entries(outputs).map(([name, { data }]) => [name, data]));
    this.#life = { parent, ended: false };
  }

  /** Outputs are written after the whole graph is evaluated, so that they may alias inputs. */
  async run(): Promise<void> {
    refuseIfEnded(this.#life, "run");
    const results = evaluateGraph(this.#graph, Object.fromEntries(this.#inputs));
    for (const [name, target] of this.#outputs) target.set(results[name]!);
  }

  dispose(): void {
    this.#life.ended = true;
  }
}
