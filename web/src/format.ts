/** Numbers as text, the same everywhere in the page. A minus is a minus sign, not a hyphen. */

export function fixed(value: number, digits: number): string {
  return value.toFixed(digits).replace("-", "\u2212");
}

/** With its sign, plus included. */
export function signed(value: number, digits: number): string {
  const text = value.toFixed(digits);
  if (Number(text) === 0) return (0).toFixed(digits);
  return value > 0 ? `+${text}` : text.replace("-", "\u2212");
}

/** A share of 1 as a percentage: two significant digits below one per cent. */
export function percent(share: number): string {
  const value = 100 * share;
  if (value === 0) return "0 %";
  if (value < 0.001) return "< 0.001 %";
  if (value >= 100) return `${value.toFixed(0)} %`;
  // Rounded, it would claim certainty.
  if (value >= 99.95) return "> 99.9 %";
  return `${value >= 1 ? value.toFixed(1) : value.toPrecision(2)} %`;
}

/** Thousands apart, in the reader's own way. */
export function count(value: number): string {
  return value.toLocaleString();
}

/** "1 row", "2 rows". */
export function plural(value: number, one: string, many: string = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

const units = ["B", "KiB", "MiB", "GiB", "TiB"];

export function bytes(value: number): string {
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}
