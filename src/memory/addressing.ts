/**
 * Ids -> row ids for whole sequences and all layers at once, with the constants of the hash prepared. Knows nothing
 * of stores, row contents or models.
 *
 * Shapes: B batch, T positions, C = (N-1)*H columns. Rows of a layer are position-major [B*T, C].
 */
import { InvalidConfigError, ShapeError } from "../errors.ts";
import { type AddressConfig, numColumns } from "./config.ts";
import { buildHashPlan, checkCompressedIds, type HashPlan, hashRange } from "./hash.ts";
import { buildLayout, type EngramLayout } from "./layout.ts";
import { checkTokenMap, compressIds, type TokenMap } from "./token-map.ts";

export interface Addressing {
  readonly layout: EngramLayout;
  /** One for each layer, in the order of `config.layerIds`. */
  readonly plans: readonly HashPlan[];
  /** Compressed id used where look-back is blocked. */
  readonly pad: number;
  readonly numColumns: number;
  readonly compressedVocabSize: number;
}

/** Prepares the constants of `layout`. `pad` is the compressed pad id (`compressedPad`). */
export function buildAddressing(layout: EngramLayout, pad: number): Addressing {
  const { numHeads, compressedVocabSize } = layout.config;
  if (!Number.isInteger(pad) || pad < 0 || pad >= compressedVocabSize)
    throw new InvalidConfigError(
      `the compressed pad id must lie in 0..${compressedVocabSize - 1} ` +
        `(engram_compressed_vocab_size ${compressedVocabSize}), got ${pad}`,
    );
  return {
    layout,
    plans: layout.layers.map((layer) => buildHashPlan(layer, { numHeads, compressedVocabSize })),
    pad,
    numColumns: numColumns(layout.config),
    compressedVocabSize,
  };
}

/** The compressed id of the configuration's (raw) pad token. */
export function compressedPad(config: AddressConfig, tokenMap: TokenMap): number {
  checkTokenMap(tokenMap, config.compressedVocabSize);
  const pad = tokenMap.map[config.padTokenId];
  if (pad === undefined)
    throw new InvalidConfigError(
      `engram_pad_token_id ${config.padTokenId} is outside the vocabulary of ${tokenMap.map.length} ids`,
    );
  return pad;
}

export interface AddressBatchOptions {
  /** T: `compressed_BT` holds whole sequences of this length. */
  readonly sequenceLength: number;
  /** [B*T], non-zero where a document starts. Look-back stops there and at the start of the sequence. */
  readonly starts_BT?: Uint8Array;
  /** Receives the rows, one [B*T*C] for each layer. Default: new arrays. */
  readonly out?: readonly Uint32Array[];
}

/** Row ids of a batch of sequences, one [B*T, C] for each layer. */
export function addressBatch(
  addressing: Addressing,
  compressed_BT: Int32Array,
  options: AddressBatchOptions,
): Uint32Array[] {
  const { plans, pad, numColumns: C } = addressing;
  const { sequenceLength: T, starts_BT, out } = options;
  const positions = compressed_BT.length;
  if (!Number.isInteger(T) || T < 1 || positions % T !== 0)
    throw new ShapeError(`${positions} ids are not whole sequences of length ${T}`);
  if (starts_BT !== undefined && starts_BT.length !== positions)
    throw new ShapeError(`${positions} ids need as many start flags, got ${starts_BT.length}`);
  checkCompressedIds(compressed_BT, addressing.compressedVocabSize);
  return plans.map((plan, layer) => {
    const rows = rowsBuffer(out?.[layer], positions * C);
    for (let first = 0; first < positions; first += T)
      hashRange(plan, compressed_BT.subarray(first, first + T), {
        from: 0,
        to: T,
        pad,
        ...(starts_BT && { starts: starts_BT.subarray(first, first + T) }),
        out: rows,
        outOffset: first * C,
      });
    return rows;
  });
}

function rowsBuffer(given: Uint32Array | undefined, length: number): Uint32Array {
  if (given === undefined) return new Uint32Array(length);
  if (given.length < length)
    throw new ShapeError(`${length} row ids do not fit into an array of ${given.length}`);
  return given;
}

export type RowsQuery =
  | {
      readonly config: AddressConfig;
      /** Raw token ids of one sequence. */
      readonly ids: ArrayLike<number>;
      readonly tokenMap: TokenMap;
      /** Id with which documents start. Look-back stops there. Default: no such id. */
      readonly documentStart?: number | undefined;
    }
  | {
      readonly config: AddressConfig;
      /** Compressed ids; DEAD (-1) is allowed. `padTokenId` is then a compressed id, too. */
      readonly compressedIds: ArrayLike<number>;
    };

/** Global row ids of every position of one sequence: `layers[layer][position][column]`. */
export function rowsForIds(query: RowsQuery): { layers: Record<string, number[][]> } {
  const { config } = query;
  const isRaw = "ids" in query;
  const pad = isRaw ? compressedPad(config, query.tokenMap) : config.padTokenId;
  if (!isRaw && pad >= config.compressedVocabSize)
    throw new InvalidConfigError(
      `with compressed ids, engram_pad_token_id counts as compressed too, and ${pad} is outside ` +
        `0..${config.compressedVocabSize - 1}; give raw ids or text (--ids, --text), or a config whose pad is compressed`,
    );
  const addressing = buildAddressing(buildLayout(config), pad);
  if (!isRaw) checkCompressedIds(query.compressedIds, config.compressedVocabSize);
  const compressed = isRaw
    ? compressIds(query.tokenMap, query.ids)
    : Int32Array.from(query.compressedIds);
  const C = addressing.numColumns;
  const layers: Record<string, number[][]> = {};
  const rows = addressBatch(addressing, compressed, {
    sequenceLength: Math.max(compressed.length, 1),
    ...(isRaw && {
      starts_BT: Uint8Array.from(query.ids, (id) => Number(id === query.documentStart)),
    }),
  });
  for (const [i, layerRows] of rows.entries())
    layers[String(config.layerIds[i])] = Array.from(compressed, (_, t) =>
      Array.from(layerRows.subarray(t * C, (t + 1) * C)),
    );
  return { layers };
}
