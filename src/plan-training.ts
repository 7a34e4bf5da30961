/**
 * Plans the memory of a training run from its sizes and recipe, before anything is allocated. Knows no files and asks
 * no machine.
 */
import { type MachineMemory, type MemoryPlan, planMemory, type PlanPart } from "./machine/index.ts";
import {
  buildLayout,
  type CountedText,
  estimateCounts,
  memoryWidth,
  USE_CODE_BYTES,
} from "./memory/index.ts";
import {
  activationBytes,
  keyValueBytes,
  type ModelConfig,
  paramLayout,
  scoringBytes,
  type TrainedPart,
} from "./model/index.ts";
import type { CountedSizes, TrainingRecipe } from "./training/index.ts";

export function planTraining(
  config: ModelConfig,
  {
    recipe,
    counting,
    machine,
    tableMemory,
    train = "all",
  }: {
    recipe: TrainingRecipe;
    /** What a model with counts counts, and how. */
    counting: CountedSizes & { readonly text: CountedText };
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
          others: [
            ...foldTables(config, recipe),
            ...countedParts(config, counting),
            // Once with the memory, once without.
            {
              what: "scoring",
              bytes:
                (engram === undefined && config.counted === undefined ? 1 : 2) *
                scoringBytes(config, scoredAtOnce(recipe)),
            },
          ],
        },
      },
      machine,
    },
  );
}

/** What is scored at a time on the way: no more than a step reads, so that a batch of one does not take that of eight. */
export function scoredAtOnce({ batch, length }: Pick<TrainingRecipe, "batch" | "length">): {
  readonly batch: number;
  readonly length: number;
} {
  return { batch: Math.min(8, batch), length };
}

/** Cross-fitted rows have a table with its moments for each fold. */
function foldTables({ engram }: ModelConfig, { rowFolds }: TrainingRecipe): PlanPart[] {
  if (engram === undefined || rowFolds === 0) return [];
  const rowBytes = 4 * engram.headDim + 4;
  const bytes = buildLayout(engram).layers.reduce((n, { numRows }) => n + numRows * rowBytes, 0);
  return [{ what: `tables of ${rowFolds} folds`, bytes: rowFolds * bytes }];
}

/**
 * The counts of the whole text and of the text without each fold, and what counting takes besides. An estimate, since
 * nothing is counted yet.
 */
function countedParts(
  { counted, vocabSize }: ModelConfig,
  { text, folds, maxBytes }: CountedSizes & { readonly text: CountedText },
): PlanPart[] {
  if (counted === undefined) return [];
  const { tableBytes, scratchBytes } = estimateCounts(text, { ...counted, vocabSize });
  const kept = maxBytes > 0 ? Math.min(maxBytes, tableBytes) : tableBytes;
  return [
    { what: `counts (estimated) with ${folds} folds`, bytes: (1 + folds) * kept + scratchBytes },
  ];
}
