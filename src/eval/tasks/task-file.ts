/**
 * Parses a task file. Closed: an unknown key is refused, and so is one that does not belong to the kind of task. Every
 * list and text has a limit. Knows the file; not documents or models.
 */
import * as z from "zod";
import { FormatError } from "../../errors.ts";
import { plainWords, sentenceOf } from "../../schema-words.ts";
import {
  METRICS,
  type AnswerFilter,
  type MetricOptions,
  type Needles,
  type OutputType,
  type Recall,
  type TaskFile,
} from "./task-type.ts";
import { parseTemplate, type Template } from "./template.ts";

/** The result of `parse` for `given`. Its error becomes an issue of the schema. */
function parsed<Given, Value>(parse: (given: Given) => Value) {
  return (given: Given, context: z.core.$RefinementCtx<Given>): Value => {
    try {
      return parse(given);
    } catch (error) {
      context.issues.push({ code: "custom", message: (error as Error).message, input: given });
      return z.NEVER;
    }
  };
}

const template: z.ZodType<Template, string> = z.string().transform(parsed(parseTemplate));
const choices: z.ZodType<Template | Template[], string | string[]> = z
  .union([z.string(), z.array(z.string()).min(1).max(1000)], {
    error: "expected a template that is a list, or a list of templates",
  })
  .transform(
    parsed((given) =>
      typeof given === "string" ? parseTemplate(given) : given.map(parseTemplate),
    ),
  );

const dataPath = z
  .string()
  .min(1)
  .max(1000)
  .refine((text) => text.split("*").length <= 2, "expected at most one * in a path");
const seed = z
  .int()
  .min(0)
  .max(2 ** 32 - 1);

const needles: z.ZodType<Needles> = z.strictObject({
  lengths: z.array(z.int().min(8).max(1_000_000)).min(1).max(32),
  depths: z.array(z.number().min(0).max(100)).min(1).max(101),
  count: z.int().min(1).max(10_000).default(10),
  seed: seed.default(0),
  needles: z.int().min(1).max(600).default(1),
  needle: z.string().max(1000).default("The secret number of {key} is {value}."),
  filler: z.array(z.string().min(1).max(10_000)).min(1).max(10_000),
});
const recall: z.ZodType<Recall> = z.strictObject({
  support: dataPath,
  source: z.string().min(1).max(100),
  exposures: z.string().min(1).max(200),
  prompts: dataPath,
});
const filter: z.ZodType<AnswerFilter> = z.discriminatedUnion("function", [
  z.strictObject({ function: z.literal("take_first") }),
  z.strictObject({ function: z.literal("remove_whitespace") }),
  z.strictObject({ function: z.literal("lowercase") }),
  z.strictObject({ function: z.literal("uppercase") }),
  z.strictObject({
    function: z.literal("regex"),
    regex_pattern: z.string().max(1000),
    group_select: z.int().min(-1000).max(1000).default(0),
    fallback: z.string().max(1000).default("[invalid]"),
  }),
]);
const metricOptions: z.ZodType<MetricOptions> = z.strictObject({
  metric: z.enum(Object.values(METRICS).flatMap(({ all }) => all)),
  regexes_to_ignore: z.array(z.string().max(1000)).max(16).default([]),
  ignore_case: z.boolean().default(false),
  ignore_punctuation: z.boolean().default(false),
  ignore_numbers: z.boolean().default(false),
});
const metric = z.preprocess(
  (one) => (typeof one === "string" ? { metric: one } : one),
  metricOptions,
);
const generation = z.strictObject({
  until: z.array(z.string().min(1).max(1000)).max(64).default([]),
  max_gen_toks: z.int().min(1).max(100_000).default(256),
});

const schema = z.strictObject({
  task: z.string().regex(/^[\w.-]{1,100}$/, "expected letters, digits, _, - and . only"),
  version: z.int().min(0).max(1e6).default(0),
  /** For human readers of the file. */
  about: z.string().optional(),
  output_type: z.enum(Object.keys(METRICS) as OutputType[]),
  data: dataPath.optional(),
  needles: needles.optional(),
  recall: recall.optional(),
  columns: z.array(z.string().min(1).max(100)).min(1).max(1000).optional(),
  fewshot_data: dataPath.optional(),
  description: template.default(parseTemplate("")),
  doc_to_text: template.default(parseTemplate("")),
  doc_to_target: template,
  doc_to_choice: choices.optional(),
  multiple_inputs: z.boolean().default(false),
  target_delimiter: z.string().max(1000).default(" "),
  fewshot_delimiter: z.string().max(1000).default("\n\n"),
  num_fewshot: z.int().min(0).max(1000).default(0),
  fewshot_sampler: z.enum(["default", "first_n"]).default("default"),
  generation_kwargs: generation.optional(),
  filter_list: z
    .array(z.strictObject({ name: z.string().min(1).max(100), filter: z.array(filter).max(16) }))
    .min(1)
    .max(8)
    .default([{ name: "none", filter: [{ function: "take_first" }] }]),
  metric_list: z.array(metric).min(1).max(16).optional(),
  group_by: z
    .strictObject({
      field: z.string().min(1).max(100),
      ranges: z.array(z.int().min(0)).min(1).max(64).optional(),
    })
    .optional(),
  weight_by_size: z.boolean().default(true),
});

type Parsed = z.output<typeof schema>;

/** Parses a task file; `name` is used in errors. Throws `FormatError`. */
export function parseTaskFile(text: string, name: string): TaskFile {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new FormatError(`${name}: expected a task in JSON; ${(cause as Error).message}`, {
      cause,
    });
  }
  const result = schema.safeParse(json, { error: plainWords });
  if (!result.success) throw new FormatError(`${name}: ${sentenceOf(result.error)}`);
  const { data: task } = result;
  const wrong = contradiction(task);
  if (wrong !== undefined) throw new FormatError(`${name}: ${wrong}`);
  const { all, numUsual } = METRICS[task.output_type];
  return {
    ...task,
    metric_list:
      task.metric_list ?? all.slice(0, numUsual).map((one) => metricOptions.parse({ metric: one })),
    generation_kwargs: task.generation_kwargs ?? generation.parse({}),
  };
}

/** A contradiction within a task, if there is one. */
function contradiction(task: Parsed): string | undefined {
  const { output_type: kind } = task;
  const sources = [task.data, task.needles, task.recall].filter((one) => one !== undefined);
  if (sources.length !== 1)
    return "expected one of data, needles and recall: where the documents come from";
  if (task.needles !== undefined && wordsIn(task.needles) > MAX_WORDS)
    return `needles: ${wordsIn(task.needles)} words of haystacks; at most ${MAX_WORDS} are made`;
  const { all: known } = METRICS[kind];
  const strange = task.metric_list?.find((one) => !known.includes(one.metric));
  if (strange !== undefined)
    return `metric_list: ${kind} has ${known.join(", ")}; got "${strange.metric}"`;
  if ((kind === "multiple_choice") !== (task.doc_to_choice !== undefined))
    return `doc_to_choice belongs to multiple_choice, and to nothing else; this is ${kind}`;
  if (task.multiple_inputs && kind !== "multiple_choice")
    return `multiple_inputs belongs to multiple_choice; this is ${kind}`;
  if (kind !== "generate_until" && task.generation_kwargs !== undefined)
    return `generation_kwargs belongs to generate_until; this is ${kind}`;
  if (kind !== "generate_until" && task.filter_list.some((one) => one.filter.length > 1))
    return `filter_list belongs to generate_until; this is ${kind}`;
  if (kind === "loglikelihood_rolling" && task.num_fewshot > 0)
    return "num_fewshot: a rolling task reads texts, and has no examples";
  const ranges = task.group_by?.ranges ?? [];
  if (ranges.some((from, i) => i > 0 && from <= ranges[i - 1]!))
    return "group_by.ranges: expected ascending numbers";
  const star = (path: string | undefined): boolean => path?.includes("*") === true;
  if (star(task.fewshot_data) && !star(task.data))
    return "fewshot_data has a * and data has none; both stand for the same subtask";
  if (star(task.data) && task.group_by !== undefined)
    return "a * in data and group_by both make groups; leave one out";
  return undefined;
}

const MAX_WORDS = 2e7;

function wordsIn({ lengths, depths, count }: Needles): number {
  return lengths.reduce((sum, length) => sum + length, 0) * depths.length * count;
}
