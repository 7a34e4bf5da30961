/**
 * A pack at rest: the counts of a corpus, for every model with its vocabulary, in one file. It is a safetensors file with
 * the tensors of a counted memory (`at-rest/counted-tensors.ts`), what it is as JSON in its metadata, and a sum.
 *
 *     __metadata__       {"engram_pack": "{\"version\":1, ...}"}, see `PackInfo`
 *     memory_counts.*    as in a model's directory
 *     memory_mixture.*   F32, of a pack that brings a reader: the weights of one model that weigh its counts
 *     pack.documents     U32 [n, 3], if its texts say how many documents they have: which document an n-gram of N ids is from
 *                        (`memory/counted/document-sums.ts`)
 *     pack.sha256        U8 [32], at the end: SHA-256 of all bytes of the file before it, and the pack's name among others
 *
 * Knows headers; reads and writes no files.
 */
import { countedTensors as counted } from "../at-rest/index.ts";
import type { FileDType, SafetensorsHeader, TensorSpan } from "../checkpoint/index.ts";
import { FormatError } from "../errors.ts";
import { recordOf, shown } from "../json-values.ts";
import { BLOCK_BYTES, ENTRY, evidenceWidth, MAX_ORDER } from "../memory/index.ts";

/** A file of the corpus. */
export interface PackText {
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
  /** How many it has; of all texts, or of none. */
  readonly documents?: number | undefined;
}

/** What a pack says of itself. */
export interface PackInfo {
  /** Length of the longest n-grams, in ids. */
  readonly order: number;
  readonly vocabSize: number;
  /** SHA-256 of the bytes of all tokens (`fingerprintOf`), in hexadecimal. */
  readonly vocabulary: string;
  readonly texts: readonly PackText[];
  readonly documents: number;
  /** Tokens that were counted. */
  readonly tokens: number;
  /** Of the weights in it, if there are some: the model that they were trained for, and its width. */
  readonly reader?: { readonly model: string; readonly hiddenSize: number } | undefined;
}

export const SUM_BYTES = 32;
export const sumName = "pack.sha256";
export const documentsName = "pack.documents";
export const infoName = "engram_pack";
export const readerNames = {
  hidden: "memory_mixture.hidden.weight",
  evidence: "memory_mixture.evidence.weight",
  bias: "memory_mixture.bias",
} as const;

/** Numbers of the weights that weigh counts, by what they multiply: [N, D], [N, E], [N]. */
export type ReaderWeights = Readonly<Record<keyof typeof readerNames, Float32Array>>;

const VERSION = 1;
const MOST_INFO_BYTES = 2 ** 20;
const MOST_TEXTS = 4096;
const MOST_IDS = 2 ** 21;
const MOST_WIDTH = 2 ** 16;

export function formatPackInfo({ reader, ...info }: PackInfo): string {
  const { order, vocabSize, vocabulary, texts, documents, tokens } = info;
  return JSON.stringify({
    version: VERSION,
    order,
    vocab_size: vocabSize,
    vocabulary,
    texts: texts.map(({ name, bytes, sha256, documents: own }) => ({
      name,
      bytes,
      sha256,
      ...(own !== undefined && { documents: own }),
    })),
    documents,
    tokens,
    ...(reader && { reader: { model: reader.model, hidden_size: reader.hiddenSize } }),
  });
}

/** Whether a safetensors file says that it is a pack, whatever else it says. */
export function isPackHeader({ metadata }: SafetensorsHeader): boolean {
  return metadata.has(infoName);
}

/** What a file's header says of the pack in it. Throws `FormatError` for what no pack says; all sizes agree afterwards. */
export function parsePackHeader(header: SafetensorsHeader): PackInfo {
  const text = header.metadata.get(infoName);
  if (text === undefined)
    throw new FormatError(`not a pack: it has no "${infoName}"; make one with engram pack build`);
  const info = parseInfo(text);
  const expected = expectedTensors(info, header.tensors);
  for (const [name, { dtype, shape }] of expected) {
    const found = header.tensors.get(name);
    if (found === undefined) throw new FormatError(`a pack without "${name}"; it is not complete`);
    if (found.dtype !== dtype || found.shape.join() !== shape.join())
      throw new FormatError(
        `"${name}" should be ${dtype} [${shape.join(", ")}] in this pack, it is ${found.dtype} [${found.shape.join(", ")}]`,
      );
  }
  for (const name of header.tensors.keys())
    if (!expected.has(name)) throw new FormatError(`no pack has a tensor "${name}"`);
  if ([...header.tensors.keys()].at(-1) !== sumName)
    throw new FormatError("a pack whose sum is not at its end");
  return info;
}

function expectedTensors(
  { order, vocabSize, reader, texts }: PackInfo,
  found: ReadonlyMap<string, TensorSpan>,
): Map<string, { dtype: FileDType; shape: readonly number[] }> {
  const sizeOf = (name: string, least: number): number =>
    Math.max(found.get(name)?.shape[0] ?? 0, least);
  const blocks = Math.min(sizeOf(counted.buckets, 0), 2 ** 32 / BLOCK_BYTES);
  const width = evidenceWidth(order);
  return new Map([
    [counted.discounts, { dtype: "F64", shape: [order] }],
    [counted.offsets, { dtype: "U32", shape: [sizeOf(counted.offsets, vocabSize + 2)] }],
    [counted.unigrams, { dtype: "U32", shape: [vocabSize] }],
    [counted.buckets, { dtype: "U8", shape: [blocks, BLOCK_BYTES] }],
    ...(reader === undefined
      ? []
      : ([
          [readerNames.hidden, { dtype: "F32", shape: [order, reader.hiddenSize] }],
          [readerNames.evidence, { dtype: "F32", shape: [order, width] }],
          [readerNames.bias, { dtype: "F32", shape: [order] }],
        ] as const)),
    ...(knowsDocuments(texts)
      ? ([[documentsName, { dtype: "U32", shape: [sizeOf(documentsName, 0), ENTRY] }]] as const)
      : []),
    [sumName, { dtype: "U8", shape: [SUM_BYTES] }],
  ]);
}

/** Whether a pack says which document its n-grams are from. */
export function knowsDocuments(texts: readonly PackText[]): boolean {
  return texts.length > 0 && texts.every(({ documents }) => documents !== undefined);
}

type Json = Readonly<Record<string, unknown>>;

function parseInfo(text: string): PackInfo {
  if (text.length > MOST_INFO_BYTES)
    throw new FormatError(`a pack that says ${text.length} characters of itself`);
  let said: Json | null;
  try {
    said = JSON.parse(text) as Json | null;
  } catch (cause) {
    throw new FormatError(`"${infoName}" is not JSON: ${(cause as Error).message}`, { cause });
  }
  const { version, vocabulary, texts, reader } = { ...said };
  if (version !== VERSION)
    throw new FormatError(`a pack of version ${shown(version)}, this program reads ${VERSION}`);
  if (!isDigest(vocabulary)) throw wrong("vocabulary", vocabulary, "a SHA-256");
  if (!Array.isArray(texts) || texts.length > MOST_TEXTS)
    throw wrong("texts", texts, `a list of at most ${MOST_TEXTS}`);
  const parsed = texts.map(parseText);
  const documents = whole(said!, "documents", {});
  const sum = parsed.reduce((all, { documents: own = 0 }) => all + own, 0);
  if (knowsDocuments(parsed) ? sum !== documents : sum > 0)
    throw wrong("documents", documents, "as many as its texts have together");
  return {
    order: whole(said!, "order", { least: 2, most: MAX_ORDER }),
    vocabSize: whole(said!, "vocab_size", { least: 1, most: MOST_IDS }),
    vocabulary,
    texts: parsed,
    documents,
    tokens: whole(said!, "tokens", {}),
    ...(reader !== undefined && { reader: parseReader(reader) }),
  };
}

function parseText(value: unknown): PackText {
  const { name, sha256 } = recordOf(value);
  if (typeof name !== "string" || name.length > 1024) throw wrong("name", name, "a file's name");
  if (!isDigest(sha256)) throw wrong("sha256", sha256, "a SHA-256");
  return {
    name,
    bytes: whole(recordOf(value), "bytes", {}),
    sha256,
    ...(recordOf(value)["documents"] !== undefined && {
      documents: whole(recordOf(value), "documents", {}),
    }),
  };
}

function parseReader(value: unknown): NonNullable<PackInfo["reader"]> {
  const { model } = recordOf(value);
  if (typeof model !== "string" || !/^[0-9a-f]{8}$/.test(model))
    throw wrong("model", model, "eight hexadecimal digits");
  return {
    model,
    hiddenSize: whole(recordOf(value), "hidden_size", { least: 1, most: MOST_WIDTH }),
  };
}

function isDigest(value: unknown): value is string {
  return typeof value === "string" && /^[0-9a-f]{64}$/.test(value);
}

function whole(
  said: Json,
  key: string,
  { least = 0, most = Number.MAX_SAFE_INTEGER }: { least?: number; most?: number },
): number {
  const value = said[key];
  if (Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most)
    return value as number;
  throw wrong(key, value, `a whole number of ${least}..${most}`);
}

function wrong(key: string, value: unknown, expected: string): FormatError {
  return new FormatError(`a pack whose "${key}" is ${shown(value)}; expected ${expected}`);
}
