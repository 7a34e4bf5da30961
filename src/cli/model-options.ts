/** How a command opens a model to compute with it: its options, and what they mean to `loadModel`. */
import type { LoadModelOptions } from "../load-model.ts";
import type { WeightDtype } from "../model/index.ts";
import type { CommandContext } from "./command.ts";
import { engineOf } from "./engine-threads.ts";
import { showPlan } from "./show-plan.ts";
import { type TableInput, tablePlacement } from "./table-place.ts";

export const dtypeOption = {
  flags: "--dtype <KIND>",
  description: "hold the weights as f32, q8 or q4 (default: as they are)",
} as const;

export const ctxSizeOption = {
  flags: "--ctx-size <N>",
  description: "most tokens of prompt and answer together (default: the model's)",
} as const;

interface ModelInput extends TableInput {
  readonly dtype?: WeightDtype | undefined;
  readonly threads?: number | undefined;
}

/** The model closes the engine that it is opened with, and its plan is shown. */
export function openedBy(
  { dtype, threads, ...places }: ModelInput,
  { progress }: Pick<CommandContext, "progress">,
): LoadModelOptions {
  return {
    backend: () => engineOf(threads),
    dtype,
    onPlan: showPlan(progress),
    ...tablePlacement(places),
  };
}
