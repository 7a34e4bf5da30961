/** Weights on disk: safetensors files, model directories, checkpoint series. */
export {
  type ReadRangeOptions,
  SafetensorsFile,
  tensorSource,
  type TensorSource,
  writeSafetensors,
} from "./safetensors-file.ts";
export {
  type JsonObject,
  type LocatedTensor,
  ModelDirectory,
  type ModelFiles,
  writeModelDir,
} from "./model-dir.ts";
export {
  type Checkpoint,
  listCheckpoints,
  newestCheckpoint,
  saveCheckpoint,
  type SaveCheckpointOptions,
} from "./atomic-dir.ts";
export { writeDurably } from "./durable.ts";
export { readJsonFile, readTextFile } from "./text-file.ts";
export { writeFailure } from "./write-failure.ts";
