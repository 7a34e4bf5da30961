/**
 * The one rule for names that a file gives and that become paths: such a name means a file in the same directory,
 * and nothing else. Knows names; opens nothing.
 */
import { FormatError } from "../errors.ts";
import { shown } from "../json-values.ts";

/** What file systems take for a single name. */
const MAX_BYTES = 255;

/**
 * Whether `name` is the name of a file that lies beside the one that gives it: no separators, no drive, no control
 * characters, and no dot in front ("..", or what a listing hides).
 */
export function isPlainName(name: unknown): name is string {
  return (
    typeof name === "string" &&
    /^[^./\\:\p{C}][^/\\:\p{C}]*$/u.test(name) &&
    new TextEncoder().encode(name).length <= MAX_BYTES
  );
}

/** Throws `FormatError` for any other name. `where` says which file gives it, and for what. */
export function checkPlainName(name: unknown, where: string): string {
  if (isPlainName(name)) return name;
  throw new FormatError(
    `${where}: expected the name of a file beside it, got ${shown(name)}; ` +
      "a name that means another folder is refused",
  );
}
