/**
 * The constants with which ids become row ids, prepared for all layers. Knows nothing of stores, row contents or models.
 */
import { InvalidConfigError } from "../errors.ts";
import { type AddressConfig, numColumns } from "./config.ts";
import { buildHashPlan, type HashPlan } from "./hash.ts";
import type { EngramLayout } from "./layout.ts";
import { checkTokenMap, type TokenMap } from "./token-map.ts";

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
