/** Attention among texts that are packed into the rows of one batch. Knows no caches. */
import type { GraphBuilder, Tensor } from "../tensor/index.ts";
import type { Attend } from "./attention.ts";
import { blockOf, type ModelConfig } from "./config.ts";

/**
 * Causal attention among the positions of one batch, cut at document starts and limited to the sliding window. `segments_BT` (i32) numbers the documents
 * of each row; a position sees earlier positions with its own number. The bias is built once and shared by all layers.
 */
export function packedAttend(g: GraphBuilder, config: ModelConfig, segments_BT: Tensor): Attend {
  const [batch, length] = segments_BT.shape as [number, number];
  const { numHeads, numKvHeads, headDim } = config;
  const { slidingWindow = Infinity } = blockOf(config);
  const group = numHeads / numKvHeads;
  const keys_11T = g.constant(
    Int32Array.from({ length }, (_, i) => i),
    [1, 1, length],
  );
  const queries = (offset: number): Tensor =>
    g.constant(
      Int32Array.from({ length }, (_, i) => i + offset),
      [1, length, 1],
    );
  let hidden_1TT = g.less(queries(0), keys_11T);
  if (slidingWindow < length)
    hidden_1TT = g.or(hidden_1TT, g.less(keys_11T, queries(1 - slidingWindow)));
  const sameDocument_BTT = g.equal(
    g.reshape(segments_BT, [batch, length, 1]),
    g.reshape(segments_BT, [batch, 1, length]),
  );
  const visible_BTT = g.where(hidden_1TT, Number.NEGATIVE_INFINITY, 0);
  const bias_BTT = g.where(sameDocument_BTT, visible_BTT, Number.NEGATIVE_INFINITY);
  const bias_B1TT = g.reshape(bias_BTT, [batch, 1, length, length]);
  // Query heads that share a key head are stacked along the query axis: [B,K,group*T,d].
  const bias_B1MT = group === 1 ? bias_B1TT : g.concat(Array(group).fill(bias_B1TT), 2);
  return (_layer, q_BHTd, k_BKTd, v_BKTd) => {
    const q_BKMd = g.reshape(q_BHTd, [batch, numKvHeads, group * length, headDim]);
    const out = g.attention(q_BKMd, k_BKTd, v_BKTd, bias_B1MT, 1 / Math.sqrt(headDim));
    return g.reshape(out, q_BHTd.shape);
  };
}
