/** Tokens as people can see them: spaces and line ends get signs, parts of characters their bytes. */

export interface Piece {
  readonly text: string;
  /** Stands for something that has no shape of its own. */
  readonly isSign: boolean;
}

const signs: Readonly<Record<string, string>> = { " ": "·", "\n": "↵", "\t": "⇥", "\r": "␍" };

export function piecesOf(text: string): Piece[] {
  if (text.startsWith("bytes:")) return [{ text: text.slice(6), isSign: true }];
  if (text === "") return [{ text: "∅", isSign: true }];
  const pieces: Piece[] = [];
  for (const part of text.split(/([ \n\t\r])/)) {
    if (part === "") continue;
    const sign = signs[part];
    pieces.push({ text: sign ?? part, isSign: sign !== undefined });
  }
  return pieces;
}

/** In one string, for labels and pictures. */
export function visibleText(text: string): string {
  return piecesOf(text)
    .map((piece) => piece.text)
    .join("");
}

/** As it is read out: spaces are heard by their absence, so only those that are alone are named. */
export function spokenText(text: string): string {
  if (text.startsWith("bytes:")) return `part of a character ${text.slice(6)}`;
  const trimmed = text.trim();
  if (trimmed !== "") return trimmed;
  return text.includes("\n") ? "line end" : text === "" ? "nothing" : "space";
}
