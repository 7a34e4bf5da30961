/**
 * What a study found, from what came of its runs so far. Differences are paired over seeds; predictions are judged by
 * their intervals. Knows figures; not files or how they are shown.
 */
import { metricOf } from "./metrics.ts";
import {
  type BySeed,
  contrast,
  type Estimate,
  estimate,
  type Verdict,
  verdictOf,
} from "./paired.ts";
import type { RunResult } from "./run-result.ts";
import type { Prediction, Study } from "./study-file.ts";

export interface StudyReport {
  readonly version: 1;
  readonly title: string;
  readonly hypothesis: string;
  readonly refutation: string;
  /** Digest of what was registered before the first step, and when that was. */
  readonly sha256: string;
  readonly registered: string;
  readonly command: string | undefined;
  readonly threads: number;
  readonly seeds: readonly number[];
  readonly runsDone: number;
  readonly runsPlanned: number;
  readonly predictions: readonly PredictionReport[];
  readonly arms: readonly ArmReport[];
  /** Every arm against the base. */
  readonly differences: readonly DifferenceReport[];
  readonly runs: readonly RunResult[];
}

export interface PredictionReport extends Prediction {
  /** null while no seed has all arms. */
  readonly found: Estimate | null;
  readonly bySeed: Readonly<Record<string, number>>;
  readonly verdict: Verdict;
}

export interface ArmReport {
  readonly arm: string;
  readonly setting: string;
  readonly figures: readonly (Estimate & { readonly metric: string })[];
}

export interface DifferenceReport extends Estimate {
  readonly metric: string;
  readonly arm: string;
  readonly against: string;
  readonly bySeed: Readonly<Record<string, number>>;
}

export function reportStudy(
  study: Study,
  {
    registration,
    results,
  }: {
    registration: {
      readonly sha256: string;
      readonly threads: number;
      readonly surroundings: { readonly begun: string; readonly command?: string };
    };
    results: readonly RunResult[];
  },
): StudyReport {
  const figuresOf =
    (metric: string) =>
    (arm: string): BySeed =>
      new Map(
        results.flatMap((result) => {
          if (result.arm !== arm || result.measured === undefined) return [];
          const value = metricOf(metric)!.of(result.measured);
          return value === undefined ? [] : [[result.seed, value] as const];
        }),
      );
  const { base, arms, seeds } = study;
  return {
    version: 1,
    title: study.title,
    hypothesis: study.hypothesis,
    refutation: study.refutation,
    sha256: registration.sha256,
    registered: registration.surroundings.begun,
    command: registration.surroundings.command,
    threads: registration.threads,
    seeds,
    runsDone: results.length,
    runsPlanned: arms.length * seeds.length,
    predictions: study.predictions.map((prediction) => {
      const bySeed = contrast(prediction.difference, figuresOf(prediction.metric));
      const found = estimate([...bySeed.values()]);
      return {
        ...prediction,
        found: found ?? null,
        bySeed: Object.fromEntries(bySeed),
        verdict: verdictOf(found, prediction.bound),
      };
    }),
    arms: arms.map((arm) => ({
      arm: arm.name,
      setting: settingOf(arm),
      figures: study.metrics.flatMap((metric) => {
        const found = estimate([...figuresOf(metric)(arm.name).values()]);
        return found === undefined ? [] : [{ metric, ...found }];
      }),
    })),
    differences: study.metrics.flatMap((metric) =>
      arms.flatMap(({ name: arm }) => {
        if (arm === base) return [];
        const bySeed = contrast({ [arm]: 1, [base]: -1 }, figuresOf(metric));
        const found = estimate([...bySeed.values()]);
        return found === undefined
          ? []
          : [{ metric, arm, against: base, bySeed: Object.fromEntries(bySeed), ...found }];
      }),
    ),
    runs: results,
  };
}

function settingOf({ training, model }: Study["arms"][number]): string {
  if (training === undefined) return `model ${model}`;
  const changes = Object.entries(training.overrides).map(
    ([name, value]) => `${name}=${JSON.stringify(value)}`,
  );
  return [
    `preset ${training.presetName}`,
    ...(training.memory ? [] : ["no memory"]),
    ...changes,
  ].join(", ");
}
