/** Weights at rest, without files: the formats. `node/index.ts` reads and writes them on disk. */
export {
  type FileRecord,
  type Manifest,
  manifestName,
  recordFromJson,
  recordToJson,
} from "./manifest.ts";
export { checkPlainName } from "./plain-name.ts";
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
