/** Models at rest, wherever their bytes are: the formats, and the reading. `node/index.ts` writes them to disks. */
export { checkTensor, type ExpectedTensor } from "./expected-tensor.ts";
export type { GgufTensor } from "./gguf.ts";
export { isGgufName, parseGguf } from "./gguf.ts";
export { ggufFileNames, GgufFiles, ggufModelNames } from "./gguf-files.ts";
export { type Folder, keptSource, type KeptFile, type KeptSourceOptions } from "./kept-source.ts";
export {
  type FileRecord,
  type Manifest,
  manifestName,
  recordFromJson,
  recordToJson,
} from "./manifest.ts";
export {
  type JsonObject,
  type LocatedTensor,
  MissingFileError,
  ModelDirectory,
  type ModelFiles,
  modelNames,
  parseIndex,
  savedFiles,
} from "./model-files.ts";
export { checkPlainName, isPlainName } from "./plain-name.ts";
export {
  type ReadRangeOptions,
  SafetensorsFile,
  tensorSource,
  type TensorSource,
} from "./safetensors-file.ts";
export {
  elementBytes,
  type FileDType,
  formatSpec,
  headerEnd,
  layoutFile,
  maxHeaderBytes,
  parseHeader,
  type SafetensorsHeader,
  tensorBytes,
  type TensorSpan,
  type TensorSpec,
} from "./safetensors.ts";
export { checkBytes, type CheckOptions, type Damage, findDamageIn } from "./sums.ts";
export type { Arrays, KeepArrays } from "./kept-arrays.ts";
export { decodeText, MAX_TEXT_BYTES } from "./text.ts";
