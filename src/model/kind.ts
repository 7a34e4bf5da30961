/**
 * How a kind of layer declares its weights: by the names that its code uses, what each is called in a checkpoint,
 * its shape and how it starts. Whoever applies the kind asks for these names and no others. Knows no graph.
 */

/** How a weight starts: normal with this deviation, or one constant. */
export type Init = { readonly normal: number } | { readonly constant: number };

export interface ParamSpec {
  /** As checkpoints have it; within its layer, where a kind declares it. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly init: Init;
  /** `matrix`: a hidden matrix product; `embedding`: indexed by token; `gain`: per-channel. Optimizers
   *  choose their rule and their weight decay by this. */
  readonly kind: "matrix" | "embedding" | "gain";
}

/** A kind's weights within one layer, in the order of checkpoints. */
export type KindParams<Name extends string> = Readonly<Record<Name, ParamSpec>>;

/**
 * GPT-2's start values: deviation 0.02, and residual projections scaled by 1/sqrt(2 layers) so that the stream's
 * variance does not grow with depth. (Radford et al. 2019, section 2.3)
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
