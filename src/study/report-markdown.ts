/** A study's report as Markdown. Shows what it is given; computes nothing. */
import type { Estimate } from "./paired.ts";
import type { PredictionReport, StudyReport } from "./report.ts";
import type { RunResult } from "./run-result.ts";

export function studyMarkdown(report: StudyReport): string {
  const { seeds, runsDone, runsPlanned, predictions } = report;
  return [
    `# ${plain(report.title)}`,
    "",
    `Registered ${report.registered}, before the first step, as SHA-256 \`${report.sha256}\` (study.json). ` +
      `${runsDone} of ${runsPlanned} runs are done${runsDone < runsPlanned ? "; what follows is of these" : ""}. ` +
      `Seeds: ${seeds.join(", ")}; ${report.threads} engine thread${report.threads === 1 ? "" : "s"} a run.`,
    ...(report.command === undefined ? [] : ["", `    ${inCode(report.command)}`]),
    "",
    `**Hypothesis.** ${plain(report.hypothesis)}`,
    "",
    `**What would refute it.** ${plain(report.refutation)}`,
    "",
    "## Predictions",
    "",
    "± is the 95 % interval of Student's t over the seeds, of differences within a seed. A prediction holds if its whole interval keeps the " +
      "bound, is refuted if none of it does, and is undecided otherwise." +
      (predictions.length > 1
        ? ` There are ${predictions.length} of them, and no interval is widened for that.`
        : ""),
    "",
    ...table(
      ["metric", "difference", "predicted", "found", "seeds", "verdict"],
      predictions.map((one) => [
        one.metric,
        differenceWords(one.difference),
        `${one.bound.kind === "atMost" ? "≤" : "≥"} ${one.bound.value}`,
        one.found === null ? "–" : estimateWords(one.found, true),
        String(one.found?.seeds ?? 0),
        `**${one.verdict}**`,
      ]),
    ),
    "",
    "## Arms",
    "",
    "![each arm's difference from the base, and each seed's](report.svg)",
    "",
    ...report.arms.map(({ arm, setting }) => `- **${arm}**: ${plain(setting)}`),
    "",
    ...table(
      ["arm", "metric", "mean over seeds", "less the base, paired", "seeds"],
      report.arms.flatMap(({ arm, figures }) =>
        figures.map((one) => {
          const found = report.differences.find(
            ({ metric, arm: name }) => metric === one.metric && name === arm,
          );
          return [
            arm,
            one.metric,
            estimateWords(one),
            found === undefined ? "–" : estimateWords(found, true),
            String(found?.seeds ?? one.seeds),
          ];
        }),
      ),
    ),
    "",
    "## Runs",
    "",
    ...commitNotes(report.runs),
    ...table(
      [
        "run",
        "steps",
        "weights",
        "rows",
        "tokens of text",
        "bits per byte",
        "memory off",
        "seconds",
        "from",
      ],
      report.runs.map((run) => [
        `${run.arm} ${run.seed}`,
        count(run.steps),
        count(run.numParams),
        count(run.numRows),
        count(run.trainTokens),
        run.failed === undefined
          ? (run.measured?.bitsPerByte.toFixed(4) ?? "–")
          : plain(run.failed),
        run.measured?.bitsPerByteWithoutMemory?.toFixed(4) ?? "–",
        run.seconds === undefined ? "–" : run.seconds.toFixed(0),
        originOf(run),
      ]),
    ),
    "",
    ...table(
      ["run", "command"],
      report.runs.flatMap(({ arm, seed, command }) =>
        command === undefined ? [] : [[`${arm} ${seed}`, `\`${inCode(command)}\``]],
      ),
    ),
    "",
  ].join("\n");
}

/** What keeps runs from being comparable to the letter. */
function commitNotes(runs: readonly RunResult[]): string[] {
  const commits = new Set(runs.flatMap(({ commit }) => commit ?? []));
  const notes = [
    ...(commits.size > 1 ? [`The runs are of ${commits.size} commits, not of one.`] : []),
    ...([...commits].some((commit) => commit.endsWith("+"))
      ? ["A commit with + had changes that were not committed."]
      : []),
  ];
  return notes.length === 0 ? [] : [notes.join(" "), ""];
}

/** Commit, machine and versions of a run. */
function originOf({ commit, machine, versions }: RunResult): string {
  return [
    commit === undefined
      ? undefined
      : `\`${commit.slice(0, 10)}${commit.endsWith("+") ? "+" : ""}\``,
    machine === undefined
      ? undefined
      : `${plain(machine.processor)}, ${machine.processors} processors, ${(machine.memoryBytes / 2 ** 30).toFixed(0)} GiB`,
    versions === undefined
      ? undefined
      : Object.entries(versions)
          .map(([name, version]) => `${name} ${version}`)
          .join(", "),
  ]
    .filter((part) => part !== undefined)
    .join("; ");
}

/** "memory − dense", "2 × a − b − c". */
export function differenceWords(difference: PredictionReport["difference"]): string {
  return Object.entries(difference)
    .map(([arm, weight], i) => {
      const size = Math.abs(weight) === 1 ? arm : `${Math.abs(weight)} × ${arm}`;
      if (i === 0) return weight < 0 ? `−${size}` : size;
      return `${weight < 0 ? "−" : "+"} ${size}`;
    })
    .join(" ");
}

export function estimateWords({ mean, plusMinus }: Estimate, isSigned = false): string {
  const sign = mean < 0 ? "−" : isSigned ? "+" : "";
  return `${sign}${Math.abs(mean).toFixed(4)}${plusMinus === null ? "" : ` ± ${plusMinus.toFixed(4)}`}`;
}

function count(value: number | undefined): string {
  return value === undefined ? "–" : value.toLocaleString("en-US");
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)];
}

/** A command, where nothing but a backtick is markup. */
function inCode(text: string): string {
  return text.replaceAll(/\s+/g, " ").replaceAll("`", "");
}

/** Words of a file: on one line, each character as it is, none of them markup. */
function plain(text: string): string {
  return text.replaceAll(/\s+/g, " ").replaceAll(/[\\<>`]/g, "\\$&");
}
