/** Takes back what the site has kept in this browser: models, what they were taught, and its own files. */
import { removeKept } from "../../src/browser/index.ts";
import { removeOffline } from "./offline.ts";

export async function removeAll(): Promise<void> {
  await removeKept();
  await removeOffline();
}
