/** A few lines of a text, or of several places in it, for display. */

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

/** How many places of a text are shown. */
const places = 3;

/**
 * An excerpt of the beginning of a text, one of what follows its first third, and one of what follows its second. Fewer
 * where the text is short. `textFrom` gives what follows a share of the text: a few thousand characters.
 */
export function excerptsOf(textFrom: (share: number) => string): string[] {
  const all = Array.from({ length: places }, (_, i) => {
    const text = textFrom(i / places);
    return excerptOf(i === 0 ? text : fromBreak(text));
  });
  return [...new Set(all)].filter((excerpt) => excerpt !== "");
}

/** From the first paragraph on that begins in the text; if there is none, from its first line or word. */
function fromBreak(text: string): string {
  for (const kind of [/\n\s*\n/, /\n/, /\s/]) {
    const at = text.slice(0, -most).search(kind);
    if (at >= 0) return text.slice(at).trimStart();
  }
  return text;
}
