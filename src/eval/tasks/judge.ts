/**
 * Answers of a model -> the filtered answers, and whether they are right, by the harness's filters and its exact match.
 * The patterns in a task are untrusted, so this runs in a worker that can be stopped. Knows texts.
 */
import { FormatError } from "../../errors.ts";
import type { Tasks } from "../../worker/index.ts";
import { pythonStrip, pythonTrimStart } from "./python-text.ts";
import type { AnswerFilter, MetricOptions } from "./task-type.ts";

export interface JudgeTask {
  readonly filters: readonly AnswerFilter[];
  readonly metrics: readonly MetricOptions[];
  readonly answers: readonly { readonly text: string; readonly targets: readonly string[] }[];
}

export interface Judged {
  /** The answer after the filters. */
  readonly text: string;
  /** In the order of the metrics. */
  readonly values: readonly number[];
}

export function judgeTasks(): Tasks {
  return { judge };
}

function judge({ filters, metrics, answers }: JudgeTask): Judged[] {
  const steps = filters.map(filterOf);
  const judges = metrics.map((metric) => (metric.metric === "contains" ? contains : exact(metric)));
  return answers.map(({ text: answer, targets }) => {
    const text = steps.reduce((rest, step) => step(rest), answer);
    return { text, values: judges.map((one) => one(text, targets)) };
  });
}

type Change = (text: string) => string;

function filterOf(filter: AnswerFilter): Change {
  switch (filter.function) {
    case "take_first":
      // For repeated answers; here there is one.
      return (text) => text;
    case "remove_whitespace":
      return pythonTrimStart;
    case "lowercase":
      return (text) => text.toLowerCase();
    case "uppercase":
      return (text) => text.toUpperCase();
    case "regex":
      return extraction(filter);
  }
}

/** Python's `findall`: the only group of a match, the first of several groups that is not empty, or the whole match. */
function extraction({
  regex_pattern: source,
  group_select: which,
  fallback,
}: AnswerFilter & { function: "regex" }): Change {
  const pattern = compile(source);
  return (text) => {
    const found = [...text.matchAll(pattern)].at(which);
    if (found === undefined) return fallback;
    const [all, ...groups] = found;
    if (groups.length === 0) return pythonStrip(all);
    if (groups.length === 1) return pythonStrip(groups[0] ?? "");
    const group = groups.find((one) => one !== undefined && one !== "");
    return group === undefined ? fallback : pythonStrip(group);
  };
}

/** Python's `string.punctuation` and `string.digits`. */
const punctuation = /[!-/:-@[-`{-~]/g;
const digits = /[0-9]/g;

/** 1 if the answer equals one of the targets, after the same changes to both. */
function exact(options: MetricOptions) {
  const changes: Change[] = options.regexes_to_ignore.map((source) => {
    const pattern = compile(source);
    return (text) => text.replaceAll(pattern, "");
  });
  if (options.ignore_case) changes.push((text) => text.toLowerCase());
  if (options.ignore_punctuation) changes.push((text) => text.replaceAll(punctuation, ""));
  if (options.ignore_numbers) changes.push((text) => text.replaceAll(digits, ""));
  const plain = (text: string): string => changes.reduce((rest, change) => change(rest), text);
  return (answer: string, targets: readonly string[]): number => {
    const own = plain(answer);
    return targets.some((target) => plain(target) === own) ? 1 : 0;
  };
}

/** The share of the targets that occur in the answer, ignoring case. */
function contains(answer: string, targets: readonly string[]): number {
  const own = answer.toLowerCase();
  return targets.filter((target) => own.includes(target.toLowerCase())).length / targets.length;
}

/** Flags that Python's patterns may begin with, as JavaScript's. */
const flags: Readonly<Record<string, string>> = { i: "i", m: "m", s: "s", u: "" };

/** Compiles a Python pattern if it means the same in JavaScript. */
function compile(source: string): RegExp {
  const [begin = "", letters = ""] = /^\(\?([a-zA-Z]+)\)/.exec(source) ?? [];
  const strange = [...letters].find((letter) => flags[letter] === undefined);
  const given = [...letters].map((letter) => flags[letter]).join("");
  const body = source.slice(begin.length).replaceAll("(?P<", "(?<");
  let failure = strange === undefined ? "" : `the flag ${strange} is not known`;
  // Python allows needless escapes of letters. JavaScript allows them only without the `u` flag.
  if (failure === "")
    for (const unit of ["u", ""])
      try {
        return new RegExp(body, `g${given}${unit}`);
      } catch (error) {
        failure = (error as Error).message;
      }
  throw new FormatError(`the pattern ${JSON.stringify(source)} cannot be used: ${failure}`);
}
