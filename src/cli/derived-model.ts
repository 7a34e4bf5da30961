/** A model that is derived from another goes to a directory of its own, new or empty, beside the other one's record. */
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { InvalidConfigError } from "../errors.ts";
import { carryRecord } from "../training/node/index.ts";

/** Names that start with a dot may be left over from a process that was killed while it wrote. */
export async function refuseFull(out: string): Promise<void> {
  const names = await readdir(out).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  const [first] = names.filter((name) => !name.startsWith("."));
  if (first !== undefined)
    throw new InvalidConfigError(
      `--out: ${out} is not empty (it holds ${first}); name a new directory`,
    );
}

/** `write` is told which files are the record's. Where it fails, they go. `note` is for the end of the model's card. */
export async function writeDerived<T>(
  model: string,
  { out, note }: { readonly out: string; readonly note: string },
  write: (beside: readonly string[]) => Promise<T>,
): Promise<T> {
  const beside = await carryRecord(model, { to: out, note });
  try {
    return await write(beside);
  } catch (error) {
    for (const name of beside) await rm(join(out, name), { force: true });
    throw error;
  }
}
