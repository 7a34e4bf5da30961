/**
 * Graphs of tensors, their gradients, and the backends that run them. ONNX Runtime's drivers have entry points of their
 * own below `backends/onnx/`, because they need more than the language.
 */
export {
  type DType,
  type OpAttrs,
  type OpName,
  type Packing,
  type Shape,
  type TensorType,
  broadcastShapes,
  formatType,
  sameShape,
  sizeOf,
} from "./ops.ts";
export {
  type Graph,
  type Node,
  type QuantizedTensor,
  type Tensor,
  type TensorData,
  GraphBuilder,
} from "./graph.ts";
export { gradients } from "./grad.ts";
export {
  type Backend,
  type Binding,
  type Executable,
  type Value,
  type Values,
  checkBinding,
  dataFor,
  runOnce,
  valueOf,
  zeros,
} from "./backend.ts";
export { type CellData, evaluateGraph, referenceBackend } from "./backends/reference/index.ts";
