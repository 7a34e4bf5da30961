/**
 * Random graphs with their gradients, on a backend against the reference, and again with outputs
 * bound over inputs in random pairings: whatever the backend does about memory, numbers must not
 * change. The seed of a failure is printed. Knows no particular backend.
 */
import { describe, test } from "node:test";
import * as fc from "fast-check";

import {
  evaluateGraph,
  gradients,
  runOnce,
  sameShape,
  type Graph,
  type Value,
} from "../../src/tensor/index.ts";
import type { UseBackend } from "./backend.ts";
import { outputsFor, runBound } from "./bound-graphs.ts";
import { largest } from "./cases/op-case.ts";
import { toBeClose } from "./close.ts";
import { weigh } from "./finite-differences.ts";
import { graphOf, type Plan, plans, type RandomGraph } from "./random-graph.ts";

export function propertyBehaviour(use: UseBackend, rtol: number, numRuns: number): void {
  describe("random graphs", () => {
    test("values and gradients agree with the reference", async () => {
      await fc.assert(
        fc.asyncProperty(plans(), async (plan) => {
          const { g, inputs, params, pool } = graphOf(plan, { kinks: true });
          const loss = weigh(g, pool.slice(-3));
          const found = gradients(g, loss, [...params.values()]);
          const graph = g.build({
            loss,
            ...Object.fromEntries(pool.map((t, i) => [`value ${i}`, t])),
            ...Object.fromEntries(found.map((t, i) => [`gradient ${i}`, t])),
          });
          const actual = await runOnce(use(), graph, inputs);
          const expected = evaluateGraph(graph, numbersOf(inputs));
          // An error made anywhere may reach any output, some units larger or smaller.
          const all = Math.max(1, ...Object.values(expected).map(largest));
          for (const [name, e] of Object.entries(expected))
            toBeClose(actual[name]!.data, e, { label: name, rtol: 10 * rtol, magnitude: all });
        }),
        { numRuns },
      );
    });

    test("outputs bound over inputs are what they are in memory of their own", async () => {
      await fc.assert(
        fc.asyncProperty(plans(), fc.nat(), async (plan, pairing) => {
          const { graph, random, over } = overwriting(plan, pairing);
          const apart = outputsFor(graph);
          await runBound(use(), graph, { inputs: random.inputs, outputs: apart });
          const inputs = copies(random.inputs);
          const outputs = outputsFor(graph);
          for (const [output, input] of over) outputs[output] = inputs[input]!;
          await runBound(use(), graph, { inputs, outputs });
          for (const [name, { data }] of Object.entries(apart))
            toBeClose(outputs[name]!.data, data, { label: `${name} over ${over.get(name)}` });
          for (const [name, { data }] of Object.entries(random.inputs))
            if (![...over.values()].includes(name))
              toBeClose(inputs[name]!.data, data, { label: `input ${name}, which is only read` });
        }),
        { numRuns },
      );
    });
  });
}

function numbersOf(inputs: Record<string, Value>): Record<string, Value["data"]> {
  return Object.fromEntries(Object.entries(inputs).map(([name, v]) => [name, v.data]));
}

function copies(inputs: Record<string, Value>): Record<string, Value> {
  return Object.fromEntries(
    Object.entries(inputs).map(([name, v]) => [name, { ...v, data: Float32Array.from(v.data) }]),
  );
}

/**
 * A graph all of whose late values are outputs, and which output to bind over which input: some of
 * those that have an input's shape.
 */
function overwriting(
  plan: Plan,
  pairing: number,
): { graph: Graph; random: RandomGraph; over: ReadonlyMap<string, string> } {
  const random = graphOf(plan, { kinks: true });
  const { g, params, pool } = random;
  // Every input gets successors of its own shape early, late, and as element-wise last readers.
  const candidates = pool.slice(params.size);
  for (const [i, t] of [...params.values()].entries()) {
    const other = pool[(pairing + i) % pool.length]!;
    const mean = g.reshape(
      g.reduceMean(g.reshape(other, [1, other.shape.reduce((n, d) => n * d, 1)]), [0, 1]),
      [],
    );
    candidates.push(g.mul(t, 0.9), g.add(t, mean), g.sub(mean, g.sigmoid(t)));
  }
  const rotated = candidates.map((_, i) => candidates[(i + pairing) % candidates.length]!);
  const kept = rotated.slice(0, 6);
  const graph = g.build(Object.fromEntries(kept.map((t, i) => [`out${i}`, t])));
  const over = new Map<string, string>();
  const free = new Map(params);
  for (const [i, t] of kept.entries()) {
    const match = [...free].find(([, x]) => sameShape(x.shape, t.shape));
    if (match === undefined) continue;
    over.set(`out${i}`, match[0]);
    free.delete(match[0]);
  }
  return { graph, random, over };
}
