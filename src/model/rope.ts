/** Rotary position angles (arXiv 2104.09864, section 3.4.2), computed on the host in f64. */

/** cos and sin of position * theta^(-2i/d), i = 0..d/2-1, for `length` positions from `start`:
 *  [length, d/2] each, written into the given arrays. */
export function ropeAngles(
  {
    start,
    length,
    headDim,
    theta,
  }: { start: number; length: number; headDim: number; theta: number },
  into: { readonly cos: Float32Array; readonly sin: Float32Array },
): void {
  const half = headDim / 2;
  for (let i = 0; i < half; i++) {
    const frequency = theta ** (-i / half);
    for (let t = 0; t < length; t++) {
      const angle = (start + t) * frequency;
      into.cos[t * half + i] = Math.cos(angle);
      into.sin[t * half + i] = Math.sin(angle);
    }
  }
}
