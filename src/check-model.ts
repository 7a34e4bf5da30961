/**
 * Checks the settings and tensors of a model directory against each other before anything is built from them. Every
 * size agrees with the weights. Every tensor is used, or known to be harmless, or refused by name. Reads headers
 * only. Knows which tensors a model has; not their contents.
 *
 * Addresses are checked when there is a tokenizer: `checkAddresses`.
 */
import {
  countedNames,
  type CountsAtRest,
  countsName,
  locateCounts,
  locateTables,
  type OpenElsewhere,
  type TableAtRest,
  tableNames,
} from "./at-rest/index.ts";
import type { LocatedTensor, ModelFiles } from "./checkpoint/index.ts";
import { FormatError, InvalidConfigError } from "./errors.ts";
import {
  buildLayout,
  checkStoredConstants,
  type EngramLayout,
  findEngramConfig,
  type TokenMap,
} from "./memory/index.ts";
import {
  familyOf,
  layersPrefix,
  type ModelConfig,
  readModelConfig,
  parseQuantization,
} from "./model/index.ts";
import { checkWeights } from "./model-weights.ts";

/** The contents of a directory, as far as headers tell it. */
export interface CheckedModel {
  readonly config: ModelConfig;
  /** Absent for a model without a memory. */
  readonly layout: EngramLayout | undefined;
  /** By name. Without those of tables that are not read, or read from elsewhere. */
  readonly tensors: ReadonlyMap<string, LocatedTensor>;
  /** In the order of the layout's layers; empty without memory. */
  readonly tables: readonly TableAtRest[];
  /** Absent without memory, and for a model that counts nothing. */
  readonly counts: CountsAtRest | undefined;
}

export interface CheckModelOptions {
  /** false does not read the tables, which may then be missing. */
  readonly memory?: boolean;
  /** Opens the tables, if they are not the model's tensors. */
  readonly elsewhere?: OpenElsewhere | undefined;
}

/**
 * Throws `InvalidConfigError` for settings that are not supported or disagree with the weights, and `FormatError` for
 * tensors that are missing, unknown, or of another type or shape.
 */
export async function checkModel(
  files: ModelFiles,
  { memory = true, elsewhere }: CheckModelOptions = {},
): Promise<CheckedModel> {
  const engram = findEngramConfig(files.config);
  const config = await readModelConfig(files.config, engram);
  const layout = engram && buildLayout(engram);
  const readsTables = memory && elsewhere === undefined;
  const ofCounts = config.counted === undefined ? [] : countedNames;
  const ofTables = new Set([
    ...(engram?.layerIds.flatMap((layer) => [...tableNames(layer), countsName(layer)]) ?? []),
    // The directory of the counts is not elsewhere, if their table is.
    ...(memory ? ofCounts.slice(0, 1) : ofCounts),
  ]);
  const tensors = await files.tensors(readsTables ? {} : { without: (name) => ofTables.has(name) });
  checkNumLayers(files, { config, tensors });
  const used = new Set(readsTables ? [] : ofTables);
  for (const { name } of await checkWeights(files, { config, tensors })) used.add(name);
  const tables = memory && engram ? await locateTables(files, engram, { elsewhere }) : [];
  for (const { layerId, parts } of tables)
    for (const name of [countsName(layerId), ...parts.map(({ tensor }) => tensor.name)])
      used.add(name);
  const counts = memory ? await locateCounts(files, config, { elsewhere }) : undefined;
  for (const { name } of counts?.tensors ?? []) used.add(name);
  checkUnused(files, { config, tensors, used });
  return { config, layout, tensors, tables, counts };
}

/** Comes before names are made for that many layers. */
function checkNumLayers(
  files: ModelFiles,
  { config, tensors }: Pick<CheckedModel, "config" | "tensors">,
): void {
  const { prefix = "" } = familyOf(config);
  const isOwn = files.hasOwnNames || parseQuantization(files.config) !== "f32";
  const begin = isOwn ? "model.layers." : layersPrefix(config);
  const layers = new Set<string>();
  for (const name of tensors.keys()) {
    const [from] = [begin, begin.slice(prefix.length)].filter((one) => name.startsWith(one));
    const layer = from && /^(\d+)\./.exec(name.slice(from.length))?.[1];
    if (layer !== undefined) layers.add(layer);
  }
  if (layers.size !== config.numLayers)
    throw new InvalidConfigError(
      `${files.path}: config.json says num_hidden_layers ${config.numLayers}, the weights are those of ${layers.size}`,
    );
}

/** Names that a message has room for. */
const MOST_SHOWN = 4;

function checkUnused(
  files: ModelFiles,
  {
    config,
    tensors,
    used,
  }: Pick<CheckedModel, "config" | "tensors"> & { used: ReadonlySet<string> },
): void {
  const { harmless, prefix = "" } = familyOf(config);
  const changesNothing = (name: string): boolean =>
    harmless.some(([pattern]) => pattern.test(name) || pattern.test(prefix + name));
  const unused = [...tensors.values()].filter(
    ({ name }) => !used.has(name) && !changesNothing(name),
  );
  if (unused.length === 0) return;
  const more = unused.length - MOST_SHOWN;
  throw new FormatError(
    `${files.path}: no part of a model with this config.json uses ` +
      unused
        .slice(0, MOST_SHOWN)
        .map(({ name, file }) => `"${name}" (${file})`)
        .join(", ") +
      `${more > 0 ? ` and ${more} more tensors` : ""}; without it the answers would be another model's`,
  );
}

/** Throws `InvalidConfigError` where ids would lead to other rows than the model was trained with. */
export function checkAddresses(
  files: ModelFiles,
  {
    config: { engram },
    layout,
    tokenMap,
  }: { config: ModelConfig; layout: EngramLayout; tokenMap: TokenMap },
): void {
  if (tokenMap.compressedVocabSize !== engram!.compressedVocabSize)
    throw new InvalidConfigError(
      `${files.path}: config.json expects ${engram!.compressedVocabSize} compressed ids ` +
        `(engram_compressed_vocab_size), tokenizer.json gives ${tokenMap.compressedVocabSize}; every ` +
        "address would change, so this tokenizer does not belong to this model",
    );
  checkStoredConstants(layout, files.config);
}
