/** Takes back what the site has kept in this browser: models, what they were taught, its own files and its first view. */
import { removeKept } from "../../src/browser/index.ts";
import { forgetFirstView } from "./first-view.ts";
import { removeOffline } from "./offline.ts";

export async function removeAll(): Promise<void> {
  forgetFirstView();
  await removeKept();
  await removeOffline();
}
