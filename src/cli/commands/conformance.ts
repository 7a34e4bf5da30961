/** `engram conformance`: golden values for other implementations, and the check against them. */
import * as z from "zod";
import { readJsonFile } from "../../checkpoint/node/index.ts";
import { EngramError } from "../../errors.ts";
import { buildConformanceKit, checkAgainstKit } from "../../memory/index.ts";
import { path } from "../arguments.ts";
import { type Command, defineCommand } from "../command.ts";

/** Differences named in a message. */
const maxShown = 8;

export const conformanceCommand: Command = defineCommand({
  path: "conformance",
  summary: "print golden values for other ports, or check one",
  description:
    "Prints, as JSON, what every implementation of Engram must compute to the last bit: multipliers, primes, " +
    "offsets and rows of three configurations (DeepSeek-V4.1 among them), and the bytes and values of rows in " +
    "every format. With --check, compares a document of the same form from another program with these values. " +
    "The document may leave parts out. Any difference is a failure (exit code 1).",
  options: [
    { flags: "--check <FILE>", description: "document of another implementation, same form" },
  ],
  examples: ["conformance > kit.json", "conformance --check port.json"],
  schema: z.object({ check: path.optional() }),
  async run({ check }, { print }) {
    if (check === undefined) {
      const kit = buildConformanceKit();
      print(`${JSON.stringify(kit, undefined, 1)}\n`);
      return kit;
    }
    const report = checkAgainstKit(await readJsonFile(check));
    const { compared, differences, missing } = report;
    if (differences.length > 0) {
      const more = differences.length - maxShown;
      throw new EngramError(
        "conformance_failed",
        `${check}: ${differences.length} of ${compared} values differ: ` +
          differences.slice(0, maxShown).join("; ") +
          (more > 0 ? `; and ${more} more` : ""),
      );
    }
    print(`${check}: all ${compared} values agree\n`);
    if (missing.length > 0) print(`not in it: ${missing.join(", ")}\n`);
    return report;
  },
});
