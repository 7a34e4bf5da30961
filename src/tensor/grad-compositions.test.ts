/**
 * The walk of `gradients` over whole graphs: what it adds up, what it passes by, what it leaves alone.
 * The rule of each op is checked in grad.test.ts.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { toBeClose } from "../../test/conformance/close.ts";
import {
  aQuarterMore,
  checkGradients,
  differentiable,
  gradientsOf,
  weigh,
} from "../../test/conformance/finite-differences.ts";
import { draw } from "../../test/conformance/random.ts";
import { transformerBlock } from "../../test/conformance/transformer-block.ts";
import { evaluateGraph, gradients, GraphBuilder } from "./index.ts";

describe("gradients of compositions", () => {
  test("an input used by several nodes gathers all of their gradients", () => {
    checkGradients(
      differentiable([draw(1).normal([3, 4])], (g, x) => {
        let sum = g.mul(x!, x!);
        for (let i = 1; i < 8; i++) sum = g.add(sum, g.mul(g.sigmoid(g.mul(x!, i)), x!));
        return g.add(sum, g.mul(g.softmax(x!), g.reduceMean(x!, [1])));
      }),
    );
  });

  test("both operands broadcast against each other", () => {
    checkGradients(
      differentiable(
        [draw(1).normal([3, 1]), draw(2).normal([4]), draw(3).signed([2, 1, 1], 1, 2)],
        (g, a, b, c) => g.mul(g.div(g.sub(g.exp(a!), b!), c!), g.add(a!, c!)),
      ),
    );
  });

  test("one tensor is every operand", () => {
    checkGradients(
      differentiable([draw(1).normal([3, 3])], (g, x) =>
        weigh(g, [g.matmul(x!, x!), g.concat([x!, x!, x!], 1), g.matmul(x!, x!, { transA: true })]),
      ),
    );
    checkGradients(
      differentiable([draw(1).normal([1, 2, 3, 4]), draw(2).normal([1, 1, 3, 3])], (g, x, bias) =>
        weigh(g, g.op("attention", [x!, x!, x!, bias!], { scale: 0.5 })),
      ),
    );
  });

  test("an operand that the loss does not depend on gets zeros of its shape", () => {
    const found = gradientsOf(
      differentiable([draw(1).normal([3]), draw(2).normal([2, 2])], (g, a, b) => {
        g.exp(b!);
        return g.mul(a!, 2);
      }),
    );
    assert.deepEqual([...found["a"]!], [2, 2, 2]);
    assert.deepEqual([...found["b"]!], [0, 0, 0, 0]);
  });

  test("nodes beside the loss do not matter", () => {
    const d = draw(1);
    checkGradients(
      differentiable([d.normal([2, 3]), d.normal([3])], (g, x, gain) => {
        const [y] = g.op("rmsNorm", [x!, gain!], { eps: 1e-5 });
        const q = g.reshape(x!, [1, 1, 2, 3]);
        const cache = g.constant(new Float32Array(12), [1, 1, 4, 3]);
        g.op("cachedAttention", [q, q, q, cache, cache, g.constant(Int32Array.of(0), [1])], {
          scale: 1,
        });
        g.log(g.neg(g.abs(y!)));
        return g.silu(y!);
      }),
    );
  });

  test("masks choose where the gradient goes", () => {
    checkGradients(
      differentiable([draw(1).halves([2, 4]), aQuarterMore(draw(2).halves([4]))], (g, a, b) =>
        g.where(g.less(a!, b!), g.mul(a!, b!), g.add(g.mul(a!, 3), g.exp(b!))),
      ),
    );
  });

  test("a tensor inside the graph can be differentiated by", () => {
    const g = new GraphBuilder();
    const x = g.input("x", "f32", [3]);
    const inside = g.exp(x);
    const loss = g.mul(g.mul(inside, inside), x);
    const [dInside, dLoss, dx] = gradients(g, loss, [inside, loss, x]);
    const results = evaluateGraph(g.build({ dInside: dInside!, dLoss: dLoss!, dx: dx! }), {
      x: Float64Array.of(0.5, -1, 2),
    });
    const at = [0.5, -1, 2];
    toBeClose(
      results["dInside"]!,
      at.map((v) => 2 * Math.exp(v) * v),
      { rtol: 1e-12 },
    );
    toBeClose(results["dLoss"]!, [1, 1, 1]);
    toBeClose(
      results["dx"]!,
      at.map((v) => Math.exp(2 * v) * (2 * v + 1)),
      { rtol: 1e-12 },
    );
  });

  test("two losses of one builder do not disturb each other", () => {
    const g = new GraphBuilder();
    const x = g.input("x", "f32", [2]);
    const y = g.mul(x, x);
    const [first] = gradients(g, y, [x]);
    const [second] = gradients(g, g.mul(y, x), [x]);
    const results = evaluateGraph(g.build({ first: first!, second: second! }), {
      x: Float64Array.of(3, -2),
    });
    assert.deepEqual([...results["first"]!], [6, -4]);
    assert.deepEqual([...results["second"]!], [27, 12]);
  });

  test("a gradient can be differentiated again", () => {
    const g = new GraphBuilder();
    const x = g.input("x", "f32", [4]);
    const once = gradients(g, g.mul(g.sigmoid(x), g.silu(x)), [x])[0]!;
    const inputs = { x: draw(1).normal([4]) };
    checkGradients({ g, inputs, params: new Map([["x", x]]), loss: g.mul(once, once) });
  });

  test("a transformer block with its loss", () => {
    checkGradients(transformerBlock());
  });
});
