/**
 * Quantiles of Student's t, for confidence intervals of means of a few differences. Knows numbers only.
 * P(T > t) = I_x(df/2, 1/2) / 2 with x = df / (df + t^2). I is computed by its continued fraction (DLMF 8.17.22) and
 * inverted by bisection.
 */
import { InvariantError } from "../errors.ts";

/** The t for which |T| < t has probability `inside`, for df >= 1 degrees of freedom. */
export function studentT(df: number, inside = 0.95): number {
  if (!(df >= 1 && inside > 0 && inside < 1))
    throw new InvariantError(`no quantile of ${df} degrees of freedom at ${inside}`);
  const outside = (t: number): number => incompleteBeta(df / (df + t * t), df / 2, 0.5);
  let [low, high] = [0, 1];
  while (outside(high) > 1 - inside) high *= 2;
  for (let i = 0; i < 80; i++) {
    const middle = (low + high) / 2;
    if (outside(middle) > 1 - inside) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** The regularised incomplete beta function, I_x(a, b). */
function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0 || x >= 1) return x <= 0 ? 0 : 1;
  // The continued fraction converges fast below the mean. Above it, the other tail is used.
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a);
  const logFactor =
    a * Math.log(x) + b * Math.log1p(-x) + logGamma(a + b) - logGamma(a) - logGamma(b);
  // Lentz's method, evaluated forwards.
  const least = 1e-300;
  let c = 1;
  let d = 1 - ((a + b) * x) / (a + 1);
  d = 1 / (Math.abs(d) < least ? least : d);
  let fraction = d;
  for (let m = 1; m < 1000; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    let step = 1;
    for (const term of [even, odd]) {
      d = 1 + term * d;
      d = 1 / (Math.abs(d) < least ? least : d);
      c = 1 + term / c;
      if (Math.abs(c) < least) c = least;
      step = c * d;
      fraction *= step;
    }
    if (Math.abs(step - 1) < 1e-14) break;
  }
  return (Math.exp(logFactor) * fraction) / a;
}

/** Stirling's series, shifted to where it is exact to 15 digits (DLMF 5.11.1). */
function logGamma(x: number): number {
  let shift = 0;
  for (; x < 12; x++) shift += Math.log(x);
  const y = 1 / (x * x);
  const series =
    (1 / 12 -
      y * (1 / 360 - y * (1 / 1260 - y * (1 / 1680 - y * (1 / 1188 - (y * 691) / 360360))))) /
    x;
  return (x - 0.5) * Math.log(x) - x + Math.log(2 * Math.PI) / 2 + series - shift;
}
