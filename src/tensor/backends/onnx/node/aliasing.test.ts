import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { BackendError } from "../../../../errors.ts";
import {
  type Graph,
  GraphBuilder,
  type OpName,
  runOnce,
  type Tensor,
  valueOf,
  zeros,
} from "../../../index.ts";
import { type BoundSpan, elementWiseKernels, unsafeOutputs } from "../aliasing.ts";
import { lower } from "../lower.ts";
import { ortBackend } from "./ort-backend.ts";

const backend = ortBackend({ threads: 2 });
after(() => backend.dispose());

const names = (graph: Graph) => ({
  ins: [...graph.inputs.keys()],
  outs: [...graph.outputs.keys()],
});

/** Outputs judged unsafe when `aliases` maps an output to the input whose memory it has. */
function judge(graph: Graph, aliases: Readonly<Record<string, string>>): string[] {
  const model = lower(graph, { caches: "in place" });
  const { ins, outs } = names(graph);
  const at = (place: number) => ({ start: BigInt(place) * 100n, end: BigInt(place) * 100n + 100n });
  const inputs: BoundSpan[] = ins.map((key, i) => ({
    key,
    name: model.inputNames[i]!,
    span: at(i),
  }));
  const outputs = outs.map((key, i) => {
    const alias = aliases[key];
    const span = at(alias === undefined ? ins.length + i : ins.indexOf(alias));
    return { key, name: model.outputNames[i]!, span };
  });
  return [...unsafeOutputs(model.nodes, { inputs, outputs, inPlace: model.inPlace })];
}

const unary: readonly OpName[] = ["neg", "abs", "exp", "log", "sqrt", "reciprocal", "sigmoid"];
const binary: readonly OpName[] = ["add", "sub", "mul", "div", "maximum"];

interface InPlaceCase {
  readonly title: string;
  readonly other?: readonly number[];
  readonly build: (g: GraphBuilder, x: Tensor, y: Tensor) => Tensor;
}

const rows = 301;
const columns = 333;

const cases: readonly InPlaceCase[] = [
  ...unary.map((op) => ({
    title: op,
    build: (g: GraphBuilder, x: Tensor) => g.op(op, [x], {} as never)[0]!,
  })),
  ...binary.flatMap((op) =>
    [[rows, columns], [columns], [rows, 1], []].flatMap((other) => [
      {
        title: `${op} with [${other}]`,
        other,
        build: (g: GraphBuilder, x: Tensor, y: Tensor) => g.op(op, [x, y], {} as never)[0]!,
      },
      {
        title: `${op} of [${other}] with it`,
        other,
        build: (g: GraphBuilder, x: Tensor, y: Tensor) => g.op(op, [y, x], {} as never)[0]!,
      },
    ]),
  ),
  { title: "mul with itself", build: (g, x) => g.mul(x, x) },
  {
    title: "add of two views of it",
    build: (g, x) => {
      const flat = g.reshape(x, [rows * columns]);
      return g.reshape(g.add(flat, g.reshape(g.neg(x), [rows * columns])), [rows, columns]);
    },
  },
];

describe("kernels trusted to write over their operand", () => {
  test("are exactly those tested here", () => {
    const tested = [
      "Abs",
      "Add",
      "Div",
      "Exp",
      "Log",
      "Max",
      "Mul",
      "Neg",
      "Reciprocal",
      "Sigmoid",
      "Sqrt",
      "Sub",
    ];
    assert.deepEqual([...elementWiseKernels].filter((k) => k !== "Identity").toSorted(), tested);
    assert.equal(unary.length + binary.length, tested.length);
  });

  for (const { title, other = [1], build } of cases)
    test(`${title}: in place equals apart, to the last bit`, async () => {
      const g = new GraphBuilder();
      const x = g.input("x", "f32", [rows, columns]);
      const graph = g.build({ y: build(g, x, g.input("other", "f32", other)) });
      const second = zeros("f32", other);
      for (let i = 0; i < second.data.length; i++) second.data[i] = 0.5 + ((i * 7919) % 977) / 500;
      const start = Float32Array.from(
        { length: rows * columns },
        (_, i) => 0.1 + ((i * 104729) % 1013) / 300,
      );
      const inputs = { x: valueOf(start, [rows, columns]), other: second };
      const apart = await runOnce(backend, graph, inputs);
      const state = valueOf(Float32Array.from(start), [rows, columns]);
      const executable = await backend.compile(graph);
      const binding = executable.bind({ ...inputs, x: state }, { y: state });
      await binding.run();
      await executable.dispose();
      assert.deepEqual(state.data, apart["y"]!.data);
    });
});

describe("outputs that get memory of their own", () => {
  const square = (): { g: GraphBuilder; x: Tensor; w: Tensor } => {
    const g = new GraphBuilder();
    return { g, x: g.input("x", "f32", [5, 5]), w: g.input("w", "f32", [5, 5]) };
  };

  test("none when every reader must run before the writer", () => {
    const { g, x, w } = square();
    const step = g.matmul(x, w);
    const graph = g.build({ next: g.sub(w, g.mul(step, 0.1)) });
    assert.deepEqual(judge(graph, { next: "w" }), []);
  });

  test("a weight that the rest of the backward pass still reads", () => {
    const { g, x, w } = square();
    const next = g.sub(w, g.mul(x, 0.1));
    const graph = g.build({ next, dx: g.matmul(x, w, { transB: true }) });
    assert.deepEqual(judge(graph, { next: "w" }), ["next"]);
  });

  test("one written by a kernel that reads elements in another order", () => {
    const { g, x, w } = square();
    // Other forms of the product are copied to their place by a kernel behind it.
    const p = g.matmul(x, w, { transA: true, transB: true });
    const graph = g.build({ p, t: g.transpose(w, [1, 0]) });
    assert.deepEqual(judge(graph, { p: "x" }), ["p"]);
    assert.deepEqual(judge(graph, { t: "x" }), ["t"]);
    assert.deepEqual(judge(graph, {}), []);
  });

  test("one written by a kernel nobody vouches for", () => {
    const { g, x } = square();
    assert.deepEqual(judge(g.build({ y: g.silu(x) }), { y: "x" }), ["y"]);
  });

  test("one whose old contents a view still shows", () => {
    const { g, x, w } = square();
    const view = g.reshape(g.reshape(x, [25]), [1, 25]);
    const graph = g.build({ y: g.neg(w), late: g.mul(view, 2) });
    assert.deepEqual(judge(graph, { y: "x" }), ["y"]);
  });

  test("one written between the kernels of an op that read the same operand", () => {
    const g = new GraphBuilder();
    const heads = [1, 2, 4, 8];
    const [q, k, v] = ["q", "k", "v"].map((name) => g.input(name, "f32", heads));
    const [out, probs] = g.op("attention", [q!, k!, v!, g.input("bias", "f32", [1, 1, 4, 4])], {
      scale: 1,
    });
    const early = g.add(g.reduceSum(probs!, [3]), g.neg(k!));
    assert.deepEqual(judge(g.build({ out: out!, early }), { early: "v" }), ["early"]);
    assert.deepEqual(judge(g.build({ out: out!, early }), { early: "q" }), []);
  });

  test("swapped states, both", () => {
    const { g, x, w } = square();
    assert.deepEqual(judge(g.build({ a: g.neg(w), b: g.neg(x) }), { a: "x", b: "w" }), ["a", "b"]);
  });

  test("outputs that overlap are refused by name", async () => {
    const { g, x } = square();
    const executable = await backend.compile(g.build({ a: g.neg(x), b: g.abs(x) }));
    const shared = new Float32Array(49);
    const bind = () =>
      executable.bind(
        { x: zeros("f32", [5, 5]), w: zeros("f32", [5, 5]) },
        { a: valueOf(shared.subarray(0, 25), [5, 5]), b: valueOf(shared.subarray(24, 49), [5, 5]) },
      );
    assert.throws(bind, (e) => e instanceof BackendError && /"a" and "b"/.test(e.message));
    await executable.dispose();
  });

  test("an output overlapping part of an input is right all the same", async () => {
    const g = new GraphBuilder();
    const graph = g.build({ y: g.mul(g.input("x", "f32", [1000]), 2) });
    const memory = Float32Array.from({ length: 1001 }, (_, i) => i);
    const executable = await backend.compile(graph);
    const x = valueOf(memory.subarray(0, 1000), [1000]);
    await executable.bind({ x }, { y: valueOf(memory.subarray(1), [1000]) }).run();
    await executable.dispose();
    assert.deepEqual([...memory], [0, ...Array.from({ length: 1000 }, (_, i) => 2 * i)]);
  });
});
