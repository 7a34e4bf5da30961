/** `engram study`: compares arms over seeds. The plan is a file, registered before the first step. */
import { availableParallelism } from "node:os";
import { join } from "node:path";
import * as z from "zod";
import { differenceWords, estimateWords, type StudyReport } from "../../study/index.ts";
import { type CommandOf, runStudy } from "../../study/node/index.ts";
import { publicName } from "../../training/index.ts";
import { path, wholeNumber } from "../arguments.ts";
import { type Command, defineCommand } from "../command.ts";
import { commandWords } from "./train.ts";

export const studyCommand: Command = defineCommand({
  path: "study",
  summary: "compare ways to train, in a registered study",
  description:
    "Trains every arm of a study from every seed. Reports the differences between arms, paired over seeds, and " +
    "whether the file's predictions hold. Before the first step a digest of file, presets and texts is registered; " +
    "a study that was changed afterwards is refused. Arms take turns. Ctrl-C saves; the same command continues and " +
    "repeats no finished run. docs/studies/README.md describes study files.",
  arguments: [{ name: "FILE", description: "study file, JSON" }],
  options: [
    { flags: "--out <DIR>", description: "directory for runs and report", isRequired: true },
    { flags: "--threads <N>", description: "engine threads of each run (default: all cores)" },
    { flags: "--parallel <N>", description: "runs trained at the same time (default 1)" },
  ],
  examples: ["study docs/studies/memory-share.json --out runs/share --threads 1 --parallel 2"],
  schema: z.object({
    file: path,
    out: path,
    threads: wholeNumber(1).optional(),
    parallel: wholeNumber(1).default(1),
  }),
  async run({ file, out, threads: given, parallel }, { print, progress, program, signal }) {
    const threads = given ?? Math.max(1, Math.floor(availableParallelism() / parallel));
    signal.addEventListener("abort", () => progress.note("saving; once more to stop at once"));
    try {
      const report = await runStudy(file, {
        out,
        threads,
        parallel,
        command: `engram study ${publicName(file)} --out ${publicName(out)} --threads ${threads} --parallel ${parallel}`,
        commandOf: commandOf(threads),
        onNote: (text) => progress.note(text),
        onProgress: (text) => progress.update(text),
        signal,
      });
      progress.end();
      print(describeStudy(report, out));
      return report;
    } catch (error) {
      if (error instanceof Error && error.name === "AbortError")
        progress.note(
          `stopped; go on with: ${program} study ${file} --out ${out} --threads ${threads} --parallel ${parallel}`,
        );
      throw error;
    }
  },
});

/** The `engram train` command for the same run. */
function commandOf(threads: number): CommandOf {
  return ({ arm, seed, presetName, overrides, memory, data, valid, tokenizer }) => {
    const set = Object.entries(overrides).map(
      ([name, value]) => `${name}=${JSON.stringify(value)}`,
    );
    const words = commandWords(
      {
        data,
        preset: presetName,
        out: `${arm}-${seed}`,
        valid,
        set: set.length === 0 ? undefined : set,
        seed,
        memory,
        tokenizer,
        threads,
      },
      publicName,
    );
    return `engram ${words}`;
  };
}

function describeStudy(report: StudyReport, out: string): string {
  const { title, runsDone, runsPlanned, predictions } = report;
  return [
    `${title}: ${runsDone} of ${runsPlanned} runs`,
    ...predictions.map(({ metric, difference, bound, found, verdict }) => {
      const value =
        found === null ? "not known yet" : `${estimateWords(found)} over ${found.seeds} seeds`;
      const sign = bound.kind === "atMost" ? "at most" : "at least";
      return `${verdict}: ${metric} of ${differenceWords(difference)} ${sign} ${bound.value}: ${value}`;
    }),
    `${join(out, "report.md")} has the rest`,
    "",
  ].join("\n");
}
