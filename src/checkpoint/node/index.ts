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
  modelPlaces,
  type ModelFiles,
  writeModelDir,
} from "./model-dir.ts";
export {
  type Checkpoint,
  checkCheckpoint,
  findCheckpoints,
  listCheckpoints,
  manifestOf,
  saveCheckpoint,
  setAside,
  type SaveCheckpointOptions,
} from "./atomic-dir.ts";
export {
  checkBytes,
  type CheckOptions,
  type Damage,
  findDamage,
  findDamageIn,
  readManifest,
  writeManifest,
} from "./checked-file.ts";
export { digestLike, findForeignSum } from "./foreign-sums.ts";
export { filesIn, sealDirectory } from "./seal.ts";
export { writeDurably } from "./durable.ts";
export { readJsonFile, readTextFile } from "./text-file.ts";
export { writeFailure } from "./write-failure.ts";
