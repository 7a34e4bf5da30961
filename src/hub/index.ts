/** Models on a hub: their names, their files, the requests for them. `node/index.ts` keeps them on a disk. */
export {
  type HubAddress,
  type HubRequestOptions,
  listModel,
  type Listing,
  refusalOf,
  requestsFor,
} from "./hub.ts";
export { firstFiles, type HubFile, weightFiles } from "./model-files.ts";
export {
  DEFAULT_REVISION,
  formatModelName,
  isCommit,
  isRevision,
  type ModelName,
  parseModelName,
} from "./model-name.ts";
