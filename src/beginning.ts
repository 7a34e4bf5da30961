/**
 * Where a training begins, and what it refuses before anything is read: a new model, of a preset, or one that is there.
 * Knows sizes and recipes; no texts, no weights.
 */
import { InvalidConfigError } from "./errors.ts";
import type { TrainedPart } from "./model/index.ts";
import { OriginModel } from "./origin-model.ts";
import {
  findPreset,
  overridePreset,
  type Overrides,
  type Preset,
  presetNames,
} from "./training/index.ts";

/** What a run is told of its beginning. */
export interface BeginningOptions {
  /** Sizes and recipe of a new model. Either this or `from`. */
  readonly preset?: string | Preset;
  /** Directory of a model to go on from: its sizes, its tokenizer, its weights and rows. Its counts are made anew, of `data`. */
  readonly from?: string | undefined;
  /** What of it is trained; the rest is frozen. Default all. */
  readonly train?: TrainedPart | undefined;
  /** Other values than the preset's, or than those of the recipe to go on with, by name: { lr: 1e-3, "model.numLayers": 2 } (`overridePreset`). */
  readonly overrides?: Overrides;
  readonly memory?: boolean;
  /**
   * Bytes of RAM for the memory's tables, which are then on disk, below `out`, while they are trained. Default:
   * tables are in RAM. Changes no result.
   */
  readonly tableMemory?: number;
  /** Text of a tokenizer.json to use instead of training one. */
  readonly tokenizer?: string;
}

export interface Beginning {
  readonly preset: Preset;
  readonly overrides: Overrides;
  readonly presetName?: string;
  readonly origin?: OriginModel;
}

/** Sizes and recipe: those of a preset, or of a model that is there, which the caller closes. Throws `InvalidConfigError`. */
export async function findBeginning({
  preset,
  from,
  train,
  overrides: given = {},
  memory,
  tokenizer,
}: BeginningOptions): Promise<Beginning> {
  if ((preset === undefined) === (from === undefined))
    throw new InvalidConfigError(
      `give a preset for a new model (--preset: ${presetNames.join(", ")}), or a model to go on from (--from); ` +
        `got ${preset === undefined ? "neither" : "both"}`,
    );
  if (preset !== undefined) {
    if (train === "memory")
      throw new InvalidConfigError(
        "a new model is trained whole: --train memory goes with --from, a model whose backbone is trained",
      );
    const named = typeof preset === "string" ? { presetName: preset } : {};
    const found = typeof preset === "string" ? findPreset(preset) : preset;
    return { ...overridePreset(found, given), ...named };
  }
  if (tokenizer !== undefined || memory === false)
    throw new InvalidConfigError(
      "a model that is gone on from has its tokenizer and its memory: leave out --tokenizer and --no-memory",
    );
  const origin = await OriginModel.open(from!);
  try {
    const overridden = overridePreset(origin.preset(train ?? "all"), given);
    checkRecipeOnly(overridden.overrides);
    return { ...overridden, origin };
  } catch (error) {
    await origin.close();
    throw error;
  }
}

/** Learned rows alone are kept on disk while they are trained, and those of folds are not. */
export function checkTableMemory(
  { memory: { layerIds }, training }: Preset,
  memory: boolean,
): void {
  const problem = !memory
    ? "a model without memory has no table to keep on disk; leave out one of the two options"
    : layerIds.length === 0
      ? "a model with counts alone has no learned table to keep on disk; leave out --table-memory"
      : training.rowFolds > 0
        ? "training.rowFolds above 0: tables of folds stay in RAM; leave out --table-memory, or train without folds by --set rowFolds=0"
        : undefined;
  if (problem !== undefined) throw new InvalidConfigError(problem);
}

/** A model that is there has its sizes: only the recipe can be another. Throws `InvalidConfigError`. */
function checkRecipeOnly(overrides: Overrides): void {
  const wrong = Object.keys(overrides).filter(
    (name) => !/^training\.|^counted\.(?:folds|maxBytes)$/.test(name),
  );
  if (wrong.length > 0)
    throw new InvalidConfigError(
      `${wrong.join(", ")}: the model has its sizes, and a training that goes on from it keeps them; ` +
        "engram graft gives a model a memory of other sizes",
    );
}
