/** Angles of rotary positions (arXiv 2104.09864, section 3.4.2), computed on the host in f64. */

/**
 * cos and sin of position * theta^(-2i/d), i = 0..d/2-1, for `length` positions from `start`: [length, d/2] each.
 * Written into the given arrays, from row `first` on.
 */
export function ropeAngles(
  {
    start,
    length,
    headDim,
    theta,
    first = 0,
  }: { start: number; length: number; headDim: number; theta: number; first?: number },
  into: { readonly cos: Float32Array; readonly sin: Float32Array },
): void {
  const half = headDim / 2;
  for (let i = 0; i < half; i++) {
    const frequency = theta ** (-i / half);
    for (let t = 0; t < length; t++) {
      const angle = (start + t) * frequency;
      into.cos[(first + t) * half + i] = Math.cos(angle);
      into.sin[(first + t) * half + i] = Math.sin(angle);
    }
  }
}
