/**
 * One spelling of a JSON value: no white space, names of an object in the order of their UTF-16 units, numbers and texts
 * as ECMAScript writes them (RFC 8785). So a digest says what a file means, not how it was typed.
 */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const entries = Object.entries(value)
    .filter(([, inner]) => inner !== undefined)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, inner]) => `${JSON.stringify(name)}:${canonicalJson(inner)}`);
  return `{${entries.join(",")}}`;
}
