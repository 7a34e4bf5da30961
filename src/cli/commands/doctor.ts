/** `engram doctor`: what this machine can do for a table, and how a model will decode with it in each tier. */
import * as z from "zod";
import { examine } from "../../doctor.ts";
import { InvalidConfigError } from "../../errors.ts";
import { path, wholeNumber } from "../arguments.ts";
import { type Command, defineCommand } from "../command.ts";
import { describeDoctor } from "../show-doctor.ts";

export const doctorCommand: Command = defineCommand({
  path: "doctor",
  summary: "forecast how fast a table decodes on this machine",
  description:
    "Measures this machine for about ten seconds (memory, its bandwidth, random rows in memory and on the disk, " +
    "warm and cold) and says which tiers a table fits, how many tokens a second to expect of each and where " +
    "decoding would wait. With MODEL the model's own tables are read, in place and only a few rows of them, " +
    "and thrown out of the page cache to see what a cold start costs; a directory in the layout of " +
    "DeepSeek-V4.1-Flash will do. With --rows and --row-bytes a scratch file of at most 256 MiB is written to --dir; " +
    "it has no name and is gone however the program ends.",
  arguments: [
    { name: "MODEL", description: "model directory, in either layout", isOptional: true },
  ],
  options: [
    { flags: "--rows <N>", description: "rows of a table that need not exist, 16 of them a token" },
    { flags: "--row-bytes <B>", description: "bytes of one of those rows" },
    {
      flags: "--dir <DIR>",
      description: "whose disk to measure for --rows (default: this directory)",
    },
  ],
  examples: ["doctor models/tiny", "doctor --rows 384006168 --row-bytes 264 --dir /mnt/nvme"],
  schema: z
    .object({
      model: path.optional(),
      rows: wholeNumber(1).optional(),
      rowBytes: wholeNumber(1).optional(),
      dir: path.optional(),
    })
    .refine(
      ({ model, rows, rowBytes, dir }) =>
        model === undefined
          ? rows !== undefined && rowBytes !== undefined
          : rows === undefined && rowBytes === undefined && dir === undefined,
      "give MODEL, or --rows and --row-bytes (and --dir, if you like)",
    ),
  async run({ model, rows, rowBytes, dir = "." }, { print, progress, signal }) {
    if (rows !== undefined && rows >= 2 ** 32)
      throw new InvalidConfigError(`--rows: a table has at most ${2 ** 32 - 1} rows, got ${rows}`);
    const report = await examine({
      ...(model === undefined ? { table: { numRows: rows!, rowBytes: rowBytes! } } : { model }),
      directory: dir,
      signal,
      onPhase: (text) => progress.update(text),
    });
    progress.end();
    print(describeDoctor(report));
    return report;
  },
});
