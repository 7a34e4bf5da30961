/** Facts -> vectors of the residual stream that make a model say them. */
export type { Edit, Statement } from "./edit.ts";
export { markOf } from "./mark.ts";
export {
  VectorWriter,
  type WriterOptions,
  type Written,
  type WrittenVector,
} from "./vector-writer.ts";
export { vectorWriter } from "./when-needed.ts";
