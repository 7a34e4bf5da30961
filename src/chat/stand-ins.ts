/**
 * Prevents texts of users from spelling control tokens after a template has joined them. Each character at which such
 * a mark could begin or end is replaced by one character of Unicode's private use area, and restored afterwards. All
 * other characters stay, so a template that trims, searches or cuts a text works as usual. Most texts do not change.
 * Knows no template and no tokenizer.
 *
 * Not covered: a template that itself cuts a text in two, or takes a part out of its middle, and puts the ends beside
 * markup of its own that is the rest of a mark.
 */
import { escapeForRegex } from "../tokenizer/index.ts";

export interface Hidden {
  /** The given texts, with stand-ins. */
  readonly texts: readonly string[];
  /** Restores the characters in a text made of `texts`. `literals` are their offsets, ascending. */
  reveal(made: string): { text: string; literals: Int32Array };
}

const standIns = /[\ue000-\uf8ff]/g;
const firstStandIn = 0xe000;
const numStandIns = 0xf900 - firstStandIn;

/** `others` are texts that the template may add. No character of them is used as a stand-in. */
export function hideMarks(
  texts: readonly string[],
  { marks, others }: { marks: readonly string[]; others: readonly string[] },
): Hidden {
  const find = marksFinder(marks);
  const places = texts.map((text) => find(text));
  const taken = new Set([...texts, ...marks, ...others].flatMap((text) => text.match(standIns)));
  const standInOf = new Map<string, string>();
  const unitOf = new Map<string, string>();
  let next = 0;
  const standInFor = (unit: string): string => {
    let found = standInOf.get(unit);
    while (found === undefined) {
      // Marks begin and end with few characters; a vocabulary made to use all stand-ins up is refused.
      if (next === numStandIns) throw new RangeError("more kinds of markup than can be told apart");
      const candidate = String.fromCharCode(firstStandIn + next++);
      if (!taken.has(candidate)) found = candidate;
    }
    standInOf.set(unit, found);
    unitOf.set(found, unit);
    return found;
  };
  const hidden = texts.map((text, i) => {
    let made = "";
    let at = 0;
    for (const place of places[i]!) {
      made += text.slice(at, place) + standInFor(text[place]!);
      at = place + 1;
    }
    return made + text.slice(at);
  });
  return {
    texts: hidden,
    reveal(made) {
      const literals: number[] = [];
      const text = made.replace(standIns, (unit, offset: number) => {
        const original = unitOf.get(unit);
        if (original !== undefined) literals.push(offset);
        return original ?? unit;
      });
      return { text, literals: Int32Array.from(literals) };
    },
  };
}

/** Ascending offsets of the characters to hide in a text. */
function marksFinder(marks: readonly string[]): (text: string) => number[] {
  const sought = marks.filter((mark) => mark !== "");
  if (sought.length === 0) return () => [];
  const anyMark = new RegExp(`(?=${sought.map(escapeForRegex).join("|")})`, "g");
  return (text) => {
    const places = new Set<number>();
    for (const { index } of text.matchAll(anyMark)) places.add(index);
    // Templates trim texts, so what stands beside the markup may be either end.
    for (const end of new Set([text.length, text.trimEnd().length]))
      for (const mark of sought)
        for (let n = Math.min(mark.length - 1, end); n > 0; n--)
          if (text.startsWith(mark.slice(0, n), end - n)) places.add(end - n);
    for (const begin of new Set([0, text.length - text.trimStart().length]))
      for (const mark of sought)
        for (let n = Math.min(mark.length - 1, text.length - begin); n > 0; n--)
          if (text.startsWith(mark.slice(mark.length - n), begin)) places.add(begin + n - 1);
    const bare = text.trim();
    if (bare !== "" && sought.some((mark) => mark.includes(bare))) places.add(text.indexOf(bare));
    return [...places].toSorted((a, b) => a - b);
  };
}
