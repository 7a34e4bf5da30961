/** Learning: token streams in, weights and tables out. */
export {
  type Document,
  type DocumentEncoder,
  packDocuments,
  startTokenOf,
  utf8Length,
} from "./corpus.ts";
export { fillBatch, WindowOrder, windowsPerEpoch } from "./dataset.ts";
export { adamW, type DenseOptimizer, type FlatArrays, globalNorm, muon } from "./optimizer.ts";
export {
  type CountedSizes,
  findPreset,
  type MemorySizes,
  type Preset,
  presetNames,
  recipeToGoOn,
  type TrainingRecipe,
} from "./presets.ts";
export { overridePreset, type Overrides, parseOverride } from "./overrides.ts";
export { type FinishedRun, finishedRun } from "./finished-run.ts";
export { type FittedMixture, fitMixture, type MixtureSamples } from "./fit-mixture.ts";
export { splitLastTenth } from "./held-out.ts";
export { excerptsOf } from "./excerpt.ts";
export { CARD_MARK, CARD_NAME, modelCard } from "./model-card.ts";
export { Pace } from "./pace.ts";
export {
  type DataFile,
  type MachineFacts,
  publicName,
  type RunRecord,
  type RunSurroundings,
  settingsOf,
  type StoredRun,
} from "./run-record.ts";
export {
  advance,
  emptyProgress,
  type Progress,
  type RunSummary,
  summaryOf,
  type TrainingLine,
} from "./run-progress.ts";
export { learningRate } from "./schedule.ts";
export {
  flatArrays,
  type StepReport,
  type TrainableModel,
  Trainer,
  type TrainingState,
} from "./trainer.ts";
