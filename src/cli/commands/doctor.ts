/** `engram doctor`: measures this machine, and forecasts decoding speed with a table in each tier. */
import * as z from "zod";
import { examine } from "../../doctor.ts";
import { InvalidConfigError } from "../../errors.ts";
import { path, wholeNumber } from "../arguments.ts";
import { type Command, defineCommand } from "../command.ts";
import { modelArgument } from "../resolve-model.ts";
import { describeDoctor } from "../show-doctor.ts";

export const doctorCommand: Command = defineCommand({
  path: "doctor",
  summary: "forecast how fast a table decodes on this machine",
  description:
    "Measures this machine for about ten seconds: free memory, memory bandwidth, and random row reads from memory " +
    "and from disk, warm and cold. Says which tiers the table fits into, how many tokens per second to expect in " +
    "each, and where decoding would wait. With MODEL it reads a few rows of the model's own tables, and drops them " +
    "from the page cache to measure a cold start. Directories in the layout of DeepSeek-V4.1-Flash work, too. With " +
    "--rows and --row-bytes it writes a scratch file of at most 256 MiB to --dir. The file has no name, so it is " +
    "removed however the program ends.",
  arguments: [{ ...modelArgument, isOptional: true }],
  options: [
    { flags: "--rows <N>", description: "rows of an imagined table (16 rows per token)" },
    { flags: "--row-bytes <B>", description: "bytes per row of that table" },
    {
      flags: "--dir <DIR>",
      description: "directory on the disk to measure with --rows (default: this one)",
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
      "give MODEL, or --rows and --row-bytes (and optionally --dir)",
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
