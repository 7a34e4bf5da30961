/**
 * A text that the user names: a file, a pipe up to its end, or "-" for standard input. Says that it waits, and Ctrl-C
 * ends the wait. Knows nothing of what it says.
 */
import { addAbortSignal, type Readable } from "node:stream";
import { readAtMost } from "../bytes/index.ts";
import { decodeText, MAX_TEXT_BYTES } from "../checkpoint/index.ts";
import { readTextFile } from "../checkpoint/node/index.ts";
import type { CommandContext } from "./command.ts";

/** Milliseconds in which a file is read, and a pipe of a program that writes. */
const PATIENCE = 1000;

export async function readGiven(
  name: string,
  { console: { stdin }, progress, signal }: CommandContext,
): Promise<string> {
  const where = name === "-" ? "standard input" : name;
  const telling = setTimeout(() => {
    progress.note(`waiting for the end of ${where}`);
  }, PATIENCE);
  try {
    if (name !== "-") return await readTextFile(name, { signal });
    const parts = addAbortSignal(signal, stdin as Readable) as AsyncIterable<Uint8Array>;
    return decodeText(where, await readAtMost(MAX_TEXT_BYTES, { where, parts }));
  } finally {
    clearTimeout(telling);
  }
}
