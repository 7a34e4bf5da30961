/** `engram verify`: whether files are still what was saved. Prints what `verify-directory.ts` finds. */
import * as z from "zod";
import { sealDirectory } from "../../checkpoint/node/index.ts";
import { EngramError } from "../../errors.ts";
import { path } from "../arguments.ts";
import { type Command, defineCommand } from "../command.ts";
import { type FileCheck, verifyDirectory } from "../verify-directory.ts";

/** Damaged places that a message has room for. */
const maxShown = 8;

export const verifyCommand: Command = defineCommand({
  path: "verify",
  summary: "read every file and compare it with its checksums",
  description:
    "Reads all of a model, a training run or a checkpoint in the directory DIR, or a table file, and compares it with " +
    "the checksums it was saved with: manifest.json, those in table files and row logs, and for models of others the " +
    "SHA-256 that came with their download, where there is one. Names the file and the place of what differs and then " +
    "ends with code 1. Files that nobody has sums of are listed. --seal makes sums of a model as it is now.",
  arguments: [{ name: "DIR", description: "model, training run, checkpoint or table file" }],
  options: [
    {
      flags: "--seal",
      description: "make the checksums of DIR anew, after it was changed on purpose",
    },
  ],
  examples: [
    "verify models/tiny",
    "verify models/tiny/checkpoints/step-000000120",
    "verify models/tiny --seal",
  ],
  schema: z.object({ dir: path, seal: z.boolean().optional() }),
  async run({ dir, seal = false }, { print, progress, signal }) {
    if (seal) progress.note(`made checksums of ${await sealDirectory(dir)} files`);
    const files: FileCheck[] = [];
    for await (const check of verifyDirectory(dir, { signal })) {
      files.push(check);
      progress.update(`read ${check.file}`);
    }
    progress.end();
    const damaged = files.flatMap(({ file, damage }) => damage.map((text) => `${file}: ${text}`));
    for (const { file, bytes, by, isEdited, damage } of files) {
      if (damage.length > 0) continue;
      const state = isEdited ? "edited" : by === undefined ? "no checksum" : `whole (${by})`;
      print(`${file}  ${bytes.toLocaleString("en-US")} bytes, ${state}\n`);
    }
    if (damaged.length > 0) {
      const more = damaged.length > maxShown ? `; and ${damaged.length - maxShown} more` : "";
      throw new EngramError(
        "damaged",
        `${dir}: not what was saved: ${damaged.slice(0, maxShown).join("; ")}${more}`,
      );
    }
    const unknown = files.filter(({ by, isEdited }) => by === undefined && !isEdited).length;
    const edited = files.filter(({ isEdited }) => isEdited).length;
    print(
      `${dir}: ${files.length - unknown - edited} files are what was saved` +
        (edited === 0 ? "" : "; the model card was edited") +
        (unknown === 0 ? "\n" : `; ${unknown} have no checksum (--seal makes some for a model)\n`),
    );
    return { dir, files: files.map(({ file, bytes, by = null }) => ({ file, bytes, by })) };
  },
});
