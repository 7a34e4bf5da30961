/** The slow evaluator that defines what every op means. */
export { referenceBackend } from "./backend.ts";
export { evaluateGraph } from "./evaluate.ts";
export type { CellData } from "./cells.ts";
