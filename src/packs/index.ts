/** Packs: counts of a corpus that any model with its vocabulary may read. */
export { type Conflict, type Conflicts, conflictsOf } from "./conflicts.ts";
export type { PackInfo, PackText, ReaderWeights } from "./pack-format.ts";
export type { ModelPacks, PackUse } from "./model-packs.ts";
