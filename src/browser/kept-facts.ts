/**
 * Where a page keeps what a model was taught: a file of its origin, which the pages of that origin write one at a time.
 * Knows browsers; not what the file holds.
 */
import type { LogFile } from "../facts/index.ts";
import { KEPT_CHANGES, opfsFile, tellOfChange } from "./opfs.ts";

interface Locks {
  request(name: string, work: () => Promise<void>): Promise<void>;
}

/**
 * The file for the model at `address`, of facts in the ids of one vocabulary: after a change of model another one begins.
 * Undefined where a page may keep nothing, or cannot keep others out.
 */
export async function keptFacts(
  address: string,
  fingerprint: Uint8Array,
): Promise<LogFile | undefined> {
  const { locks } = navigator as { locks?: Locks };
  const ids = [...fingerprint].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const name = `facts ${ids} of ${address}`;
  const file = await opfsFile(name);
  if (file === undefined || locks === undefined) return undefined;
  const channel = new BroadcastChannel(KEPT_CHANGES);
  return {
    name: "what this browser keeps of facts",
    read: (most) => file.read(most),
    async write(content) {
      await file.write(content);
      // Heard by all but this one.
      tellOfChange(channel);
    },
    alone: (work) => locks.request(name, work),
    watch(onChange) {
      channel.addEventListener("message", onChange);
    },
    close: () => channel.close(),
  };
}
