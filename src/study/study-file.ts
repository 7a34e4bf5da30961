/**
 * A study file -> a study: arms, seeds, budget, metrics, and what is predicted before anything is measured. Closed: an
 * unknown name or value is refused, and so is a study that could not answer its own question. Knows the file; not texts,
 * models or how arms are trained.
 */
import * as z from "zod";
import { InvalidConfigError } from "../errors.ts";
import { checkPreset } from "../model-of-preset.ts";
import { plainWords, sentenceOf } from "../schema-words.ts";
import { findPreset, overridePreset, type Preset } from "../training/index.ts";
import { metricOf, metricWords } from "./metrics.ts";

/** One way to train a model, or a model that is there. Every seed of it is a run. */
export interface Arm {
  readonly name: string;
  /** What is trained; undefined for a model that is only measured. */
  readonly training: ArmTraining | undefined;
  /** Directory of that model, with {seed} where its seed stands. */
  readonly model: string | undefined;
}

export interface ArmTraining {
  readonly presetName: string;
  /** With `overrides` applied. */
  readonly preset: Preset;
  readonly overrides: Readonly<Record<string, unknown>>;
  readonly memory: boolean;
  readonly data: readonly string[];
  readonly tokenizer: string | undefined;
}

/**
 * A weighted sum of arms' figures, taken seed by seed, and the bound that is predicted for it: { memory: 1, dense: -1 }
 * is by how much "memory" has more than "dense"; with four arms it is a difference of differences.
 */
export interface Prediction {
  readonly metric: string;
  readonly difference: Readonly<Record<string, number>>;
  readonly bound: { readonly kind: "atMost" | "atLeast"; readonly value: number };
}

/** Benchmarks that every run is asked. */
export interface StudyTask {
  /** A task file. */
  readonly file: string;
  /** The folder that its data is in; undefined: its own. */
  readonly data?: string | undefined;
  /** Documents of each task; undefined: all. */
  readonly limit?: number | undefined;
}

export interface Study {
  readonly title: string;
  readonly hypothesis: string;
  readonly refutation: string;
  readonly valid: readonly string[] | undefined;
  readonly seeds: readonly number[];
  readonly budget: { readonly steps: number; readonly minutes: number | undefined };
  /** Steps after which a run makes room for the next one; undefined: runs are done whole. */
  readonly slice: number | undefined;
  readonly metrics: readonly string[];
  readonly tasks: readonly StudyTask[];
  readonly arms: readonly Arm[];
  /** The arm that all others are shown against. */
  readonly base: string;
  readonly predictions: readonly Prediction[];
  /** The file's own content: what is registered. */
  readonly content: Readonly<Record<string, unknown>>;
}

/** Becomes a folder's name. Lower case, since some disks do not tell cases apart. */
const armName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,39}$/, "expected a-z, 0-9 and -, at most 40 of them");
/** Such a path means the same wherever the study is run, and names nobody's machine. */
const path = z
  .string()
  .min(1)
  .max(1000)
  .refine(
    (text) => !/^(?:[\\/~]|[a-z]:)/i.test(text) && !text.split(/[\\/]/).includes(".."),
    "expected a path below the working directory",
  );
const paths = z.array(path).min(1).max(1000);
const words = z.string().trim().min(1, "expected words, got none").max(4000);
const metric = z.string().superRefine((name, context) => {
  if (metricOf(name) === undefined)
    context.addIssue(`there is no metric "${name}"; there are: ${metricWords}`);
});

const arm = z.strictObject({
  preset: z.string().optional(),
  set: z.record(z.string(), z.unknown()).optional(),
  memory: z.boolean().optional(),
  data: paths.optional(),
  tokenizer: path.optional(),
  model: path.optional(),
});
const prediction = z.strictObject({
  metric,
  difference: z.record(
    z.string(),
    z.number().refine((weight) => weight !== 0, "expected no 0"),
  ),
  atMost: z.number().optional(),
  atLeast: z.number().optional(),
});
const schema = z.strictObject({
  study: z.literal(1),
  title: words,
  hypothesis: words,
  refutation: words,
  data: paths.optional(),
  valid: paths.optional(),
  tokenizer: path.optional(),
  seeds: z
    .array(
      z
        .int()
        .min(0)
        .max(2 ** 32 - 1),
    )
    .min(1)
    .max(100)
    .refine(isDistinct, "a seed is given twice"),
  budget: z.strictObject({ steps: z.int().min(1), minutes: z.number().positive().optional() }),
  slice: z.int().min(1).optional(),
  metrics: z.array(metric).min(1).refine(isDistinct, "a metric is given twice"),
  tasks: z
    .array(z.strictObject({ file: path, data: path.optional(), limit: z.int().min(1).optional() }))
    .max(64)
    .optional(),
  base: z.string(),
  arms: z
    .record(armName, arm)
    .refine((arms) => Object.keys(arms).length >= 2, "expected at least two arms"),
  predictions: z.array(prediction).min(1).max(100),
});
type StudyFile = z.output<typeof schema>;

/** `value` is the file's JSON, `file` its name for messages. Throws `InvalidConfigError`. */
export function parseStudy(value: unknown, file: string): Study {
  const parsed = schema.safeParse(value, { error: plainWords });
  if (!parsed.success) throw new InvalidConfigError(`${file}: ${sentenceOf(parsed.error)}`);
  const { data } = parsed;
  const at = <T>(place: string, work: () => T): T => {
    try {
      return work();
    } catch (cause) {
      if (!(cause instanceof InvalidConfigError)) throw cause;
      throw new InvalidConfigError(`${file}: ${place}: ${cause.message}`, { cause });
    }
  };
  const arms = Object.entries(data.arms).map(([name, given]) =>
    at(`arms.${name}`, () => armOf(name, given, data)),
  );
  if (!Object.hasOwn(data.arms, data.base))
    throw new InvalidConfigError(`${file}: base: there is no arm "${data.base}"`);
  const study: Study = {
    title: data.title,
    hypothesis: data.hypothesis,
    refutation: data.refutation,
    valid: data.valid,
    seeds: data.seeds,
    budget: { steps: data.budget.steps, minutes: data.budget.minutes },
    slice: data.slice,
    metrics: data.metrics,
    tasks: data.tasks ?? [],
    arms,
    base: data.base,
    predictions: data.predictions.map((one, i) =>
      at(`predictions.${i}`, () => predictionOf(one, { arms, measured: data.metrics })),
    ),
    content: value as Study["content"],
  };
  at("budget.steps", () => checkSteps(study));
  return study;
}

function armOf(name: string, given: StudyFile["arms"][string], study: StudyFile): Arm {
  const { preset: presetName, set = {}, memory = true, model } = given;
  if ((presetName === undefined) === (model === undefined))
    throw new InvalidConfigError("expected a preset to train, or a model to measure");
  if (presetName === undefined) {
    const extra = Object.keys(given).filter((key) => key !== "model");
    if (extra.length > 0)
      throw new InvalidConfigError(`a model is measured as it is; leave out ${extra.join(", ")}`);
    if (study.valid === undefined)
      throw new InvalidConfigError('a model needs a text to be measured on; give "valid"');
    return { name, training: undefined, model };
  }
  const data = given.data ?? study.data;
  if (data === undefined) throw new InvalidConfigError('there is no text to train on; give "data"');
  if (given.data !== undefined && study.valid === undefined)
    throw new InvalidConfigError(
      'arms that read different texts must be measured on the same one; give "valid"',
    );
  const { preset, overrides } = overridePreset(findPreset(presetName), set);
  checkPreset(preset, { memory });
  const tokenizer = given.tokenizer ?? study.tokenizer;
  return {
    name,
    training: { presetName, preset, overrides, memory, data, tokenizer },
    model: undefined,
  };
}

function predictionOf(
  { metric: name, difference, atMost, atLeast }: StudyFile["predictions"][number],
  { arms, measured }: { arms: readonly Arm[]; measured: readonly string[] },
): Prediction {
  if (!measured.includes(name))
    throw new InvalidConfigError(`"${name}" is not among the study's metrics`);
  for (const word of Object.keys(difference)) {
    const found = arms.find((one) => one.name === word);
    if (found === undefined) throw new InvalidConfigError(`there is no arm "${word}"`);
    if (metricOf(name)!.needsMemory && found.training?.memory === false)
      throw new InvalidConfigError(`arm "${word}" has no memory, so it has no ${name}`);
  }
  const weights = Object.values(difference);
  if (weights.length < 2 || Math.abs(weights.reduce((sum, weight) => sum + weight, 0)) > 1e-9)
    throw new InvalidConfigError(
      'the weights of a difference sum to 0, as in { "memory": 1, "dense": -1 }',
    );
  if ((atMost === undefined) === (atLeast === undefined))
    throw new InvalidConfigError("expected atMost or atLeast, and one of them only");
  const bound =
    atMost === undefined
      ? ({ kind: "atLeast", value: atLeast! } as const)
      : ({ kind: "atMost", value: atMost } as const);
  return { metric: name, difference, bound };
}

/** Steps of all runs. */
export function totalSteps({ arms, seeds }: Pick<Study, "arms" | "seeds">): number {
  return arms.reduce(
    (sum, { training }) => sum + seeds.length * (training?.preset.training.steps ?? 0),
    0,
  );
}

function checkSteps(study: Study): void {
  const steps = totalSteps(study);
  if (steps > study.budget.steps)
    throw new InvalidConfigError(
      `the runs take ${steps} steps together, the budget is ${study.budget.steps}; take fewer or smaller runs`,
    );
}

function isDistinct(values: readonly unknown[]): boolean {
  return new Set(values).size === values.length;
}
