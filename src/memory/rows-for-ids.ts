/** Ids -> row ids of one sequence, from a configuration alone: for who shows or checks rows, and reads none. */
import { InvalidConfigError } from "../errors.ts";
import { addressBatch } from "./address-batch.ts";
import { buildAddressing, compressedPad } from "./addressing.ts";
import type { AddressConfig } from "./config.ts";
import { checkCompressedIds } from "./hash.ts";
import { buildLayout } from "./layout.ts";
import { compressIds, type TokenMap } from "./token-map.ts";

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
