/** A few lines of a text, for display. */

/** UTF-16 units: short enough to read at a glance, and for a small model to read in half a second. */
const most = 240;

/**
 * The beginning of `text`, at most 240 characters: from the first paragraph that starts within them, to the end of
 * the last paragraph, line, sentence or word that fits.
 */
export function excerptOf(text: string): string {
  const gap = text.slice(0, most).search(/\n\s*\n/);
  const whole = text.slice(Math.max(0, gap)).trimStart();
  if (whole.length <= most) return whole.trimEnd();
  const part = whole.slice(0, most + 1);
  const ends = [/\n\s*\n/g, /\n/g, /(?<=[.!?])\s/g, /\s/g].map(
    (kind) => [...part.matchAll(kind)].at(-1)?.index ?? -1,
  );
  const end = ends.find((at) => at > most / 2) ?? most;
  // Never splits a surrogate pair.
  const cut = /[\uD800-\uDBFF]/.test(part[end - 1]!) ? end - 1 : end;
  return part.slice(0, cut).trimEnd();
}
