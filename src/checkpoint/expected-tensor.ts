/** Whether a tensor is what a model needs it to be. Knows no model: the caller says what that is. */
import { FormatError } from "../errors.ts";
import type { LocatedTensor } from "./model-files.ts";

/** A tensor that a model needs, and the element types that it may have. */
export interface ExpectedTensor {
  readonly name: string;
  readonly dtypes: readonly LocatedTensor["dtype"][];
  readonly shape: readonly number[];
}

/** Returns `found`. Throws `FormatError` that names it where it is missing, or of another type or shape. */
export function checkTensor(
  path: string,
  found: LocatedTensor | undefined,
  { name, dtypes, shape }: ExpectedTensor,
): LocatedTensor {
  if (found === undefined)
    throw new FormatError(`${path}: the tensor "${name}" is missing; the model is not complete`);
  const is = (expected: string, got: string): FormatError =>
    new FormatError(`${path}: tensor "${name}" should be ${expected}, it is ${got}`);
  if (!dtypes.some((dtype) => dtype === found.dtype)) throw is(dtypes.join(" or "), found.dtype);
  if (JSON.stringify(found.shape) !== JSON.stringify(shape))
    throw is(`[${shape.join(", ")}] by config.json`, `[${found.shape.join(", ")}]`);
  return found;
}
