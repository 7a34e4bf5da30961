/** Texts that the browser keeps by name, for a tab or for good. Where it may keep nothing, nothing is kept. Knows no name. */

type Place = "local" | "session";

export function keptIn(place: Place, name: string): string | null {
  try {
    return globalThis[`${place}Storage`].getItem(name);
  } catch {
    return null;
  }
}

/** Null removes it. */
export function keep(place: Place, name: string, text: string | null): void {
  try {
    const storage = globalThis[`${place}Storage`];
    if (text === null) storage.removeItem(name);
    else storage.setItem(name, text);
  } catch {
    // Nothing may be kept, or there is no room.
  }
}
