/** Facts on the held-out text of the model in a directory. */
import { join } from "node:path";
import { readJsonFile } from "../checkpoint/node/index.ts";
import { type HeldOut, parseHeldOut } from "../server/index.ts";

export async function heldOutOf(directory: string): Promise<HeldOut> {
  return parseHeldOut(await readJsonFile(join(directory, "training.json")).catch(() => undefined));
}
