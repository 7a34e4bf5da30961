/** Results that are derived from a model go to a directory of their own: one that is new or empty. */
import { readdir } from "node:fs/promises";
import { InvalidConfigError } from "../errors.ts";

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
