/**
 * The cases of every op. An op added to `OpName` is a compile error here until it has some.
 */
import type { OpName } from "../../src/tensor/index.ts";
import { elementwiseCases } from "./cases/elementwise.ts";
import { layoutCases } from "./cases/layout.ts";
import { neuralCases } from "./cases/neural.ts";
import type { CasesOf } from "./cases/op-case.ts";
import { quantizedCases } from "./cases/quantized.ts";

export const opCases: CasesOf<OpName> = {
  ...elementwiseCases,
  ...layoutCases,
  ...neuralCases,
  ...quantizedCases,
};
