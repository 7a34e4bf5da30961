/**
 * What `JSON.parse` lets pass in silence: a name that occurs twice in one object, of which it keeps the last, so that
 * two readers of one file could see two different things; and nesting without end, on which whoever prints or walks
 * the value would run out of stack. Assumes that the text has already parsed; knows nothing of what it means.
 */
import { FormatError } from "./errors.ts";

/** Settings and headers nest four or five deep. */
const MAX_DEPTH = 64;

/** Throws `FormatError` for either; `json` must be valid JSON, `where` names it in messages. */
export function checkJsonNames(json: string, where: string): void {
  // One entry per open bracket: the keys of an object, or undefined for an array.
  const open: (Set<string> | undefined)[] = [];
  let last = "";
  for (const [token] of json.matchAll(tokens)) {
    const first = token[0];
    if (first === '"') last = token;
    else if (first === "{") open.push(new Set());
    else if (first === "[") open.push(undefined);
    else if (first === ":") {
      // Escapes make different spellings of one name, so names are compared decoded.
      const key = JSON.parse(last) as string;
      const keys = open.at(-1);
      if (keys?.has(key))
        throw new FormatError(`${where}: the name ${JSON.stringify(key)} occurs twice`);
      keys?.add(key);
    } else open.pop();
    if (open.length > MAX_DEPTH)
      throw new FormatError(`${where}: nested deeper than ${MAX_DEPTH} brackets`);
  }
}

const tokens = /"(?:[^"\\]|\\.)*"|[{}[\]:]/gs;
