/**
 * How a kind of layer declares its weights. The keys are the names that the kind's code uses; each spec gives the name
 * in checkpoints, the shape and the start values. Code of a kind can ask for these names and no others. Knows no graph.
 */
/** Start values: normally distributed with this standard deviation, or one constant. */
export type Init = { readonly normal: number } | { readonly constant: number };

export interface ParamSpec {
  /** The name in checkpoints. In a kind's declaration, the name within its layer. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly init: Init;
  /** `matrix`: used in a matrix product; `embedding`: indexed by token; `gain`: one value a channel. Optimizers choose
   *  their rule and their weight decay by this. */
  readonly kind: "matrix" | "embedding" | "gain";
}

/** The weights of a kind within one layer, in the order of checkpoints. */
export type KindParams<Name extends string> = Readonly<Record<Name, ParamSpec>>;

/**
 * GPT-2's initialisation: standard deviation 0.02. Residual projections are scaled by 1/sqrt(2 layers), so that the
 * variance of the residual stream does not grow with depth. (Radford et al. 2019, section 2.3)
 */
export const NORMAL = 0.02;

export function residual(numLayers: number): number {
  return NORMAL / Math.sqrt(2 * numLayers);
}

/** A matrix [out, in]. */
export function matrix(
  name: string,
  shape: readonly [number, number],
  normal: number = NORMAL,
): ParamSpec {
  return { name, shape, init: { normal }, kind: "matrix" };
}

export function gain(name: string, shape: readonly number[], constant = 1): ParamSpec {
  return { name, shape, init: { constant }, kind: "gain" };
}
