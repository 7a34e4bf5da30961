/**
 * Plans the memory of a training run from its sizes and recipe, before anything is allocated. Knows no files and asks
 * no machine.
 */
import { type MachineMemory, type MemoryPlan, planMemory } from "./machine/index.ts";
import { buildLayout, memoryWidth, USE_CODE_BYTES } from "./memory/index.ts";
import {
  activationBytes,
  keyValueBytes,
  type ModelConfig,
  paramLayout,
  type TrainedPart,
} from "./model/index.ts";
import type { TrainingRecipe } from "./training/index.ts";

export function planTraining(
  config: ModelConfig,
  {
    recipe,
    machine,
    tableMemory,
    train = "all",
  }: {
    recipe: TrainingRecipe;
    machine: MachineMemory;
    /** As in `MemoryUse`. On disk a row has its moment beside it; the counts of uses are in RAM. */
    tableMemory?: number | undefined;
    /** What is frozen has no gradients and no moments. */
    train?: TrainedPart;
  },
): MemoryPlan {
  const { engram } = config;
  const positions = recipe.batch * recipe.length * recipe.accumulate;
  const memoryBytes =
    engram === undefined ? 0 : 2 * 4 * positions * memoryWidth(engram) * engram.layerIds.length;
  return planMemory(
    {
      weightBytes: 4 * paramLayout(config).length,
      positionBytes: keyValueBytes(config),
      tables:
        engram === undefined
          ? []
          : buildLayout(engram).layers.map(({ layerId, numRows }) => ({
              layerId,
              numRows,
              rowBytes: 4 * engram.headDim + (tableMemory === undefined ? 0 : 4),
            })),
    },
    {
      use: {
        tableMemory: engram === undefined ? undefined : tableMemory,
        training: {
          // Gradients and two moments, and a sum of gradients where a step has several passes.
          stateBytes: 4 * paramLayout(config, train).length * (recipe.accumulate > 1 ? 4 : 3),
          rowStateBytes: tableMemory === undefined ? 4 + USE_CODE_BYTES : 0,
          activationBytes: memoryBytes + activationBytes(config, recipe, train),
        },
      },
      machine,
    },
  );
}
