/** Models of a hub on this machine's disk. */
export { type CachedModel, cachedModels, findCachedModel, nameOfCachedPath } from "./hub-cache.ts";
export { type Environment, type HubSettings, hubSettings } from "./hub-settings.ts";
export { planRemoval, type Removal } from "./remove-cached.ts";
export { pullModel, type PulledModel, type PullOptions, type PullProgress } from "./pull-model.ts";
