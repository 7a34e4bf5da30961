/**
 * Finds a key that occurs twice in one object of a JSON text. `JSON.parse` keeps the last of two and
 * says nothing, so two readers of one file could see two different tensors under one name. Assumes
 * that the text has already parsed; knows nothing of what the keys mean.
 */

/** The first key that its object already had, or undefined. `json` must be valid JSON. */
export function findDuplicateKey(json: string): string | undefined {
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
      if (keys?.has(key)) return key;
      keys?.add(key);
    } else open.pop();
  }
  return undefined;
}

const tokens = /"(?:[^"\\]|\\.)*"|[{}[\]:]/gs;
