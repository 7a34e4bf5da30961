/** A few lines of a text, to be shown to people. */

/** UTF-16 units: what a reader takes in at a glance, and a small model in half a second. */
const most = 240;

/**
 * The beginning of `text`, at most 240 characters of it: from the first paragraph that begins within as many, to the
 * end of the last paragraph, line, sentence or word that fits.
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
  // Never between the two units of one character.
  const cut = /[\uD800-\uDBFF]/.test(part[end - 1]!) ? end - 1 : end;
  return part.slice(0, cut).trimEnd();
}
