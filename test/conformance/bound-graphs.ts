/**
 * The smallest graph and the shortest ways to bind and run one, for the behaviour suites.
 */
import {
  type Backend,
  type Binding,
  type Executable,
  type Graph,
  GraphBuilder,
  type Shape,
  type Value,
  type Values,
  zeros,
} from "../../src/tensor/index.ts";

/** y = 2x + 1 */
export function affine(shape: Shape): Graph {
  const g = new GraphBuilder();
  return g.build({ y: g.add(g.mul(g.input("x", "f32", shape), 2), 1) });
}

export function doubledPlusOne(x: Value): Float64Array {
  return Float64Array.from(x.data, (v) => 2 * v + 1);
}

export interface Bound extends AsyncDisposable {
  readonly executable: Executable;
  readonly binding: Binding;
  readonly x: Value;
  readonly y: Value;
}

export async function bound(backend: Backend, graph: Graph, shape: Shape): Promise<Bound> {
  const [x, y] = [zeros("f32", shape), zeros("f32", shape)];
  const executable = await backend.compile(graph);
  const binding = executable.bind({ x }, { y });
  const dispose = async (): Promise<void> => {
    binding.dispose();
    await executable.dispose();
  };
  return { executable, binding, x, y, [Symbol.asyncDispose]: dispose };
}

export async function runBound(
  backend: Backend,
  graph: Graph,
  { inputs, outputs, times = 1 }: { inputs: Values; outputs: Values; times?: number },
): Promise<void> {
  const executable = await backend.compile(graph);
  const binding = executable.bind(inputs, outputs);
  for (let i = 0; i < times; i++) await binding.run();
  binding.dispose();
  await executable.dispose();
}

export function outputsFor(graph: Graph): Record<string, Value> {
  return Object.fromEntries([...graph.outputs].map(([name, t]) => [name, zeros(t.dtype, t.shape)]));
}
