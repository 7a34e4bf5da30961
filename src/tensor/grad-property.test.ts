/**
 * Gradients of random graphs against finite differences. The seed of a failure is printed.
 */
import { test } from "node:test";
import * as fc from "fast-check";

import { checkGradients, weigh } from "../../test/conformance/finite-differences.ts";
import { graphOf, plans } from "../../test/conformance/random-graph.ts";

test("the gradients of any smooth graph agree with finite differences", () => {
  fc.assert(
    fc.property(plans(), (plan) => {
      const { g, inputs, params, pool } = graphOf(plan, { kinks: false });
      // Terms of a few units may cancel; what is left then shows the f32 constants in the rules.
      const loss = weigh(g, pool.slice(-3));
      checkGradients({ g, inputs, params, loss }, { atol: 1e-6 });
    }),
    { numRuns: 300 },
  );
});
