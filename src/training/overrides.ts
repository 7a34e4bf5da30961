/**
 * Changes to a preset's numbers by their names: "training.lr", or "lr" where no other name ends so. Unknown names and
 * values are refused, and the known ones listed. Checks single values; whether they fit together is checked when the
 * model is made.
 */
import { InvalidConfigError } from "../errors.ts";
import { isCount, shown } from "../json-values.ts";
import { GATE_BOUNDS } from "../model/index.ts";
import type { CountedSizes, MemorySizes, Preset, TrainingRecipe } from "./presets.ts";

/** Values by name. */
export type Overrides = Readonly<Record<string, unknown>>;

interface Kind {
  readonly expected: string;
  readonly accepts: (value: unknown) => boolean;
  /** One number alone is a list of one. */
  readonly isList?: boolean;
}

const isNumber = (value: unknown): value is number => Number.isFinite(value);

const count: Kind = {
  expected: "a whole number of at least 1",
  accepts: (value) => isCount(value) && value > 0,
};
const countOrNone: Kind = { expected: "a whole number of at least 0", accepts: isCount };
const positive: Kind = {
  expected: "a number above 0",
  accepts: (value) => isNumber(value) && value > 0,
};
const notNegative: Kind = {
  expected: "a number of at least 0",
  accepts: (value) => isNumber(value) && value >= 0,
};
const share: Kind = {
  expected: "a number from 0 to 1",
  accepts: (value) => isNumber(value) && value >= 0 && value <= 1,
};
/** Of a gate that is no constant. */
const COMPUTED = "computed";
const gate: Kind = {
  expected: `a number of ${GATE_BOUNDS.least}..${GATE_BOUNDS.most}, or computed`,
  accepts: (value) =>
    value === COMPUTED ||
    (isNumber(value) && value >= GATE_BOUNDS.least && value <= GATE_BOUNDS.most),
};
const flag: Kind = {
  expected: "true or false",
  accepts: (value) => typeof value === "boolean",
};
const listOf = ({ expected, accepts }: Kind, least = 1): Kind => ({
  expected: `a list such as 1,2, each ${expected}`,
  accepts: (value) => Array.isArray(value) && value.length >= least && value.every(accepts),
  isList: true,
});
const oneOf = (...words: readonly string[]): Kind => ({
  expected: words.join(" or "),
  accepts: (value) => words.includes(value as string),
});

const model: Readonly<Record<keyof Preset["model"], Kind>> = {
  hiddenSize: count,
  numLayers: count,
  numHeads: count,
  numKvHeads: count,
  headDim: count,
  intermediateSize: count,
  rmsNormEps: positive,
  ropeTheta: positive,
  maxPositions: count,
  tieEmbeddings: flag,
  engramGate: gate,
  engramKernelSize: countOrNone,
};
const memory: Readonly<Record<keyof MemorySizes, Kind>> = {
  layerIds: listOf(countOrNone, 0),
  maxNgramSize: count,
  numHeads: count,
  headDim: count,
  minBucketRows: listOf(count),
};
const counted: Readonly<Record<keyof CountedSizes, Kind>> = {
  order: countOrNone,
  folds: count,
  maxBytes: countOrNone,
};
const training: Readonly<Record<keyof TrainingRecipe, Kind>> = {
  batch: count,
  length: count,
  accumulate: count,
  steps: count,
  warmupSteps: countOrNone,
  lr: positive,
  weightDecay: notNegative,
  matrices: oneOf("muon", "adamw"),
  tableLrFactor: notNegative,
  memoryFadeIn: share,
  rowFolds: countOrNone,
  clip: positive,
};

const kinds: ReadonlyMap<string, Kind> = new Map([
  ["vocabSize", count],
  ...Object.entries({ model, memory, counted, training }).flatMap(([part, names]) =>
    Object.entries(names).map(([name, kind]): [string, Kind] => [`${part}.${name}`, kind]),
  ),
]);

/** "lr=0.001", "memory.minBucketRows=4000,8000": JSON, or a list without its brackets, or a word. */
export function parseOverride(word: string): readonly [name: string, value: unknown] {
  const at = word.indexOf("=");
  if (at < 1)
    throw new InvalidConfigError(`expected NAME=VALUE such as lr=0.001, got "${word}"; ${known()}`);
  const [name, text] = [word.slice(0, at).trim(), word.slice(at + 1).trim()];
  for (const json of [text, `[${text}]`])
    try {
      return [name, JSON.parse(json)];
    } catch {
      // Not this one.
    }
  return [name, text];
}

/**
 * `preset` with other values, and these under their whole names. Another number of steps keeps the warm-up's share,
 * unless that is given, too. Throws `InvalidConfigError`.
 */
export function overridePreset(
  preset: Preset,
  overrides: Overrides,
): { preset: Preset; overrides: Overrides } {
  const named = new Map<string, unknown>();
  for (const [name, given] of Object.entries(overrides)) {
    const whole = wholeName(name);
    const kind = kinds.get(whole)!;
    const value = kind.isList === true && isNumber(given) ? [given] : given;
    if (!kind.accepts(value))
      throw new InvalidConfigError(`${whole}: expected ${kind.expected}, got ${shown(given)}`);
    if (named.has(whole)) throw new InvalidConfigError(`${whole} is given twice`);
    named.set(whole, value);
  }
  const part = (prefix: string): object =>
    Object.fromEntries(
      [...named].flatMap(([name, value]) =>
        name.startsWith(prefix) ? [[name.slice(prefix.length), value]] : [],
      ),
    );
  const { engramGate, ...sizes } = { ...preset.model, ...part("model.") } as Preset["model"];
  const isConstant = engramGate !== undefined && (engramGate as unknown) !== COMPUTED;
  const changed: Preset = {
    ...preset,
    vocabSize: (named.get("vocabSize") as number | undefined) ?? preset.vocabSize,
    model: { ...sizes, ...(isConstant && { engramGate }) },
    memory: { ...preset.memory, ...part("memory.") },
    counted: { ...preset.counted, ...part("counted.") },
    training: { ...preset.training, ...part("training.") },
  };
  const recipe = changed.training;
  const warmupSteps =
    named.has("training.warmupSteps") || recipe.steps === preset.training.steps
      ? recipe.warmupSteps
      : Math.max(1, Math.round((recipe.warmupSteps * recipe.steps) / preset.training.steps));
  return {
    preset: { ...changed, training: { ...recipe, warmupSteps } },
    overrides: Object.fromEntries(named),
  };
}

function wholeName(name: string): string {
  if (kinds.has(name)) return name;
  const found = [...kinds.keys()].filter((key) => key.endsWith(`.${name}`));
  if (found.length === 1) return found[0]!;
  throw new InvalidConfigError(
    found.length > 1
      ? `"${name}" could be ${found.join(" or ")}`
      : `unknown setting "${name}"; ${known()}`,
  );
}

function known(): string {
  return `there are: ${[...kinds.keys()].join(", ")}`;
}
