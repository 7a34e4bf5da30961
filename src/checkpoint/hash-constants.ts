/**
 * The hash constants of an Engram memory as `config.json` keeps them, under `engram_hash`. They are
 * part of a model as its weights are: another multiplier is another address for every row. Checks
 * and compares; does not compute them (`memory` does) and never lets a 64-bit number become a JSON
 * number, which has 53 bits.
 *
 *     "engram_hash": {
 *       "multipliers": {"<layer>": ["<decimal>", ...]},      one per look-back distance, 0 first
 *       "primes": {"<layer>": [[<rows of a head>, ...], ...]}   one list per order, orders 2..N
 *     }
 */
import { FormatError } from "../errors.ts";

export interface HashConstants {
  /** Layer -> decimal digits of each multiplier. */
  readonly multipliers: Readonly<Record<string, readonly string[]>>;
  /** Layer -> order -> head -> modulus, below 2^32. */
  readonly primes: Readonly<Record<string, readonly (readonly number[])[]>>;
}

/** The key in `config.json`. */
export const hashConstantsKey = "engram_hash";

/**
 * The constants a config holds, or undefined if it holds none (models that others saved).
 * Throws `FormatError` if they are there but not as above.
 */
export function readHashConstants(
  config: Readonly<Record<string, unknown>>,
): HashConstants | undefined {
  const stored = config[hashConstantsKey];
  if (stored === undefined) return undefined;
  if (!isRecord(stored) || !isRecord(stored["multipliers"]) || !isRecord(stored["primes"]))
    throw new FormatError(
      `config.json ${hashConstantsKey}: expected {"multipliers": {...}, "primes": {...}}`,
    );
  const { multipliers, primes } = stored;
  for (const [layer, list] of Object.entries(multipliers))
    if (!Array.isArray(list) || !list.every(isDecimal))
      throw new FormatError(
        `config.json ${hashConstantsKey}.multipliers["${layer}"]: expected decimal digits in quotes (a JSON number would lose bits), got ${JSON.stringify(list)}`,
      );
  for (const [layer, orders] of Object.entries(primes))
    if (!Array.isArray(orders) || !orders.every((heads) => isModuli(heads)))
      throw new FormatError(
        `config.json ${hashConstantsKey}.primes["${layer}"]: expected a list of whole numbers per order, got ${JSON.stringify(orders)}`,
      );
  return { multipliers, primes } as unknown as HashConstants;
}

/**
 * Refuses a model whose stored constants are not the ones its other settings give.
 * Throws `FormatError` naming the first that differs.
 */
export function checkHashConstants(stored: HashConstants, computed: HashConstants): void {
  for (const kind of ["multipliers", "primes"] as const) {
    const layers = new Set([...Object.keys(stored[kind]), ...Object.keys(computed[kind])]);
    for (const layer of layers) {
      const was = JSON.stringify(stored[kind][layer] ?? "nothing");
      const is = JSON.stringify(computed[kind][layer] ?? "nothing");
      if (was !== is)
        throw new FormatError(
          `config.json ${hashConstantsKey}.${kind} of layer ${layer}: the model was saved with ${was}, its settings give ${is}; every row address would change. The config does not belong to these weights`,
        );
    }
  }
}

function isDecimal(x: unknown): x is string {
  return typeof x === "string" && /^(?:0|[1-9]\d{0,19})$/.test(x);
}

function isModuli(x: unknown): boolean {
  return Array.isArray(x) && x.every((n) => Number.isSafeInteger(n) && n > 0 && n < 2 ** 32);
}

function isRecord(x: unknown): x is Record<string, unknown> {
  return typeof x === "object" && x !== null && !Array.isArray(x);
}
