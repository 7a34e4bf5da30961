/** `engram verify`: whether files are still what was saved. Prints what `verify-directory.ts` finds. */
import { realpath, stat } from "node:fs/promises";
import * as z from "zod";
import { isGgufName } from "../../checkpoint/index.ts";
import { sealDirectory } from "../../checkpoint/node/index.ts";
import { EngramError, InvalidConfigError } from "../../errors.ts";
import { nameOfCachedPath } from "../../hub/node/index.ts";
import { path } from "../arguments.ts";
import { type Command, defineCommand } from "../command.ts";
import { type FileCheck, verifyDirectory } from "../verify-directory.ts";

/** Damaged places that a message has room for. */
const maxShown = 8;

export const verifyCommand: Command = defineCommand({
  path: "verify",
  summary: "read every file and compare it with its checksums",
  description:
    "Reads every byte of a model, a training run, a checkpoint, a table file or a pack, and compares it with saved " +
    "checksums: those in manifest.json, in table files and in row logs, and for downloaded models the SHA-256 of " +
    "the download, if there is one. Names the file and the bytes that differ, and then exits with code 1. Files " +
    "without checksums are listed. --seal computes new checksums of a model as it is now.",
  arguments: [
    { name: "MODEL", description: "model, training run, checkpoint, table file or pack" },
  ],
  options: [
    {
      flags: "--seal",
      description: "compute the checksums of MODEL again, after a change on purpose",
    },
  ],
  examples: [
    "verify models/tiny",
    "verify models/tiny/checkpoints/step-000000120",
    "verify models/tiny --seal",
  ],
  schema: z.object({ model: path, seal: z.boolean().optional() }),
  async run({ model: dir, seal = false }, { print, progress, signal }) {
    if (seal && nameOfCachedPath(await realpath(dir).catch(() => dir)) !== undefined)
      throw new InvalidConfigError(
        `${dir} is in the cache of the hub's clients, which others share: its files have the hub's checksums, and ` +
          "--seal writes only to a directory of your own",
      );
    if (seal && (await stat(dir).catch(() => undefined))?.isFile() === true)
      throw new InvalidConfigError(
        `${dir} is a file, and --seal makes the checksums of a directory; those of a file are read from a list ` +
          "beside it: sha256sum FILE > SHA256SUMS",
      );
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
      const unsure = hasHeader(file) ? "no checksum: only its header was checked" : "no checksum";
      const state = isEdited ? "edited" : by === undefined ? unsure : `whole (${by})`;
      print(`${file}  ${bytes.toLocaleString("en-US")} bytes, ${state}\n`);
    }
    if (damaged.length > 0) {
      const more = damaged.length > maxShown ? `; and ${damaged.length - maxShown} more` : "";
      throw new EngramError(
        "damaged",
        `${dir}: differs from what was saved: ${damaged.slice(0, maxShown).join("; ")}${more}`,
      );
    }
    const unknown = files.filter(({ by, isEdited }) => by === undefined && !isEdited).length;
    const edited = files.filter(({ isEdited }) => isEdited).length;
    print(
      `${dir}: ${files.length - unknown - edited} files are what was saved` +
        (edited === 0 ? "" : "; the model card was edited") +
        (unknown === 0
          ? "\n"
          : `; ${unknown} have no checksum, so a changed number in them is not found (--seal makes some for a directory, ` +
            "sha256sum FILE > SHA256SUMS for files)\n"),
    );
    return { dir, files: files.map(({ file, bytes, by = null }) => ({ file, bytes, by })) };
  },
});

function hasHeader(file: string): boolean {
  return isGgufName(file) || file.endsWith(".safetensors");
}
