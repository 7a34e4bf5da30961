/** Tokens that are being written, as a strip shows them. */
import type { LiveToken } from "./generation.svelte.ts";
import type { Measure } from "./measure.ts";
import type { StripToken } from "./strip.ts";

/** Tokens that are being written: of them only the gate is known. */
export function liveStrip(
  tokens: readonly LiveToken[],
  { layer, measure }: { layer: number | undefined; measure: Measure },
): StripToken[] {
  return tokens.map(({ text, gates }) => {
    const value = measure.name === "gate" ? (gates.get(layer ?? -1) ?? first(gates)) : undefined;
    return {
      text,
      value,
      says: value === undefined ? "being written" : measure.says(value),
      kind: "written",
    };
  });
}

function first(gates: ReadonlyMap<number, number>): number | undefined {
  const [gate] = gates.values();
  return gate;
}
