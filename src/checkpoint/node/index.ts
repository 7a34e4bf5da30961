/** Models on disk: safetensors files, model directories, checkpoint series. */
export { openSafetensors, writeSafetensors } from "./safetensors-file.ts";
export { modelPlaces, type ModelToWrite, writeModelDir } from "./model-dir.ts";
export { openDirectory, openModelDirectory } from "./directory-source.ts";
export { openModelPath } from "./model-source.ts";
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
export { openPath } from "./open-path.ts";
export { findDamage, readManifest, writeManifest } from "./checked-file.ts";
export { digestLike, findForeignSum } from "./foreign-sums.ts";
export { filesIn, sealDirectory } from "./seal.ts";
export { isAbandoned, partialName } from "./partial-name.ts";
export { writeDurably } from "../../bytes/node/index.ts";
export { readJsonFile, readJsonInside, readTextFile, readTextInside } from "./text-file.ts";
export { writeFailure } from "./write-failure.ts";
export { keptArrays } from "./kept-arrays.ts";
