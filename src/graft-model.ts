/**
 * A memory for a model that has none: its tensors, unchanged to the last byte, and beside them what the memory starts
 * with. Learned rows start at zero and add nothing; counts have no say until the mixture is trained. So the model that is
 * written says what it said before, to the last bit. Knows files and sizes; trains nothing.
 */
import { countedNames, countsName } from "./at-rest/index.ts";
import type { CheckedModel } from "./check-model.ts";
import type { LocatedTensor, ModelFiles, TensorSource } from "./checkpoint/index.ts";
import { writeModelDir } from "./checkpoint/node/index.ts";
import { type CountedTensors, withCountedTable } from "./count-text.ts";
import { DisposalStack } from "./disposal-stack.ts";
import { InvalidConfigError, InvariantError } from "./errors.ts";
import {
  buildLayout,
  buildTokenMap,
  type EngramConfig,
  findEngramConfig,
  RamStore,
  type RetrievalTable,
  rowFormat,
} from "./memory/index.ts";
import {
  closeMixture,
  initialParams,
  type ModelConfig,
  numParams,
  paramLayout,
  paramViews,
  readModelConfig,
} from "./model/index.ts";
import { isBlockType } from "./numerics/index.ts";
import { dtypeToHold } from "./model-weights.ts";
import { OriginModel } from "./origin-model.ts";
import { engramKeys, memoryFiles } from "./save-model.ts";
import { numberSource, storedSources } from "./stored-sources.ts";
import type { Tokenizer } from "./tokenizer/index.ts";
import type { Document, MemorySizes } from "./training/index.ts";

/** Where a text is counted, in the result's directory. Its dot says that it is no part of a model. */
const countingName = ".counting";

export interface GraftOptions {
  readonly out: string;
  /** Learned rows: where, and how many. */
  readonly rows?: MemorySizes | undefined;
  /** Counts of a text, in n-grams of up to `order` ids; `maxBytes` 0: of whatever size they have. */
  readonly counted?:
    | {
        readonly order: number;
        readonly maxBytes: number;
        readonly text: AsyncIterable<Document>;
      }
    | undefined;
  /** Of the weights that fuse learned rows into the stream. Default 0. */
  readonly seed?: number;
  /** As `ModelToSave` has it. */
  readonly beside?: readonly string[];
  readonly signal?: AbortSignal | undefined;
}

/** What was added. */
export interface Graft {
  readonly numParams: number;
  readonly numRows: number;
  /** Tokens that were counted, and bytes of their counts at rest. */
  readonly countedTokens: number;
  readonly countedBytes: number;
  /** Whether the model's weights were packed, and are written as the numbers that they stand for. */
  readonly isUnpacked: boolean;
}

/**
 * Writes the model of `directory` with a memory into `out`, as a whole or not at all. Throws `InvalidConfigError` where it
 * has such a memory, or where the sizes do not fit. A text is counted in bounded memory (`withCountedTable`).
 */
export async function graftModel(directory: string, options: GraftOptions): Promise<Graft> {
  const { out, rows, counted, seed = 0, beside, signal } = options;
  await using owned = new DisposalStack();
  const origin = owned.adopt(await OriginModel.open(directory), (one) => one.close());
  const { files, checked } = origin;
  const before = checked.config;
  const has = (kind: string): InvalidConfigError =>
    new InvalidConfigError(`${directory} has ${kind} already: train them with engram train --from`);
  if (rows !== undefined && before.engram !== undefined) throw has("learned rows");
  if (counted !== undefined && before.counted !== undefined) throw has("counts");
  const tokenizer = owned.adopt(await origin.openTokenizer(), (one) => one.close?.());
  // What rests packed is written as the numbers that it stands for: nothing else has room for a memory beside it.
  const isUnpacked = dtypeToHold(files, checked.tensors, undefined) !== "f32";
  const isRewritten = files.hasOwnNames || isUnpacked;
  const kept = isRewritten ? { ...origin.texts.config, dtype: "float32" } : files.config;
  const settings = { ...kept, ...addedKeys(tokenizer, { rows, counted }) };
  const config = await readModelConfig(settings, findEngramConfig(settings));
  const tables = rows === undefined ? [] : emptyTables(config.engram!);
  const added = addedWeights(before, config, seed);
  const isMemory = memoryNames(checked);
  // A tied weight may be there under two names.
  const there = [...new Set(checked.tensors.values())];
  const backbone = isRewritten
    ? storedSources(before, { params: await origin.weights(), format: "f32" })
    : there.filter(({ name }) => !isMemory.has(name)).map((one) => copyOf(files, one));
  const copied = there.filter(({ name }) => isMemory.has(name)).map((one) => copyOf(files, one));
  const write = async (counts?: CountedTensors): Promise<Graft> => {
    await writeModelDir(out, {
      ...origin.texts,
      config: settings,
      tokenizer: origin.tokenizer,
      corpus: await files.corpus(),
      ...(beside !== undefined && { beside }),
      weights: [...backbone, ...added],
      tables: [
        ...(copied.length > 0 ? [copied] : []),
        ...memoryFiles({ tables }, "f32"),
        ...(counts?.files ?? []),
      ],
    });
    return {
      numParams: numParams(added),
      numRows: tables.reduce((n, { store }) => n + store.numRows, 0),
      countedTokens: counts?.numTokens ?? 0,
      countedBytes: counts?.numBytes ?? 0,
      isUnpacked,
    };
  };
  if (counted === undefined) return await write();
  const { order, maxBytes, text: documents } = counted;
  const { vocabSize } = config;
  const from = { documents, tokenizer, tokenizerFile: origin.tokenizer, vocabSize };
  const place = { directory: `${out}/${countingName}`, signal };
  return await withCountedTable({ ...from, ...place, order, maxBytes }, write);
}

/** Keys of config.json. Look-back before a text's start reads as the end of the text before, as in a preset's model. */
function addedKeys(
  tokenizer: Tokenizer,
  { rows, counted }: Pick<GraftOptions, "rows" | "counted">,
): Record<string, unknown> {
  const padTokenId = tokenizer.eosTokenId ?? 0;
  const { compressedVocabSize } = buildTokenMap(tokenizer);
  return {
    ...(rows && engramKeys({ ...rows, padTokenId, compressedVocabSize, seed: 0 })),
    ...(counted && { counted_order: counted.order }),
  };
}

/** The weights that `config` has and `before` has not, at their start. */
function addedWeights(before: ModelConfig, config: ModelConfig, seed: number): TensorSource[] {
  const had = new Set(paramLayout(before).specs.map(({ name }) => name));
  const layout = paramLayout(config, "memory");
  const params = paramViews(layout, initialParams(layout, seed));
  if (config.counted !== undefined && before.counted === undefined) closeMixture(params, config);
  return layout.specs
    .filter(({ name }) => !had.has(name))
    .map(({ name, shape }) => {
      const numbers = (): Float32Array => params[name]!.data as Float32Array;
      return numberSource(name, shape, { numbers, format: "f32" });
    });
}

function emptyTables(engram: EngramConfig): RetrievalTable[] {
  const format = rowFormat("f32", engram.headDim);
  return buildLayout(engram).layers.map(({ layerId, numRows }) => ({
    layerId,
    format,
    store: new RamStore({ numRows, rowBytes: format.rowBytes }),
  }));
}

/** What lies in files of its own: rows, counts of their uses, counted contexts. */
function memoryNames({ tables }: CheckedModel): ReadonlySet<string> {
  return new Set([
    ...countedNames,
    ...tables.flatMap(({ layerId, parts }) => [
      countsName(layerId),
      ...parts.map(({ tensor }) => tensor.name),
    ]),
  ]);
}

/** Bytes copied at a time. */
const CHUNK_BYTES = 1 << 24;

function copyOf(
  files: ModelFiles,
  { name, dtype, shape, begin, end }: LocatedTensor,
): TensorSource {
  if (isBlockType(dtype)) throw new InvariantError(`"${name}" cannot be copied as ${dtype}`);
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < end - begin; at += CHUNK_BYTES) {
      const to = Math.min(end - begin, at + CHUNK_BYTES);
      const into = new Uint8Array(to - at);
      await files.readRange(name, { begin: at, end: to, into });
      yield into;
    }
  }
  return { name, dtype, shape, chunks };
}
