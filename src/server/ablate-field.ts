// oxlint-disable no-underscore-dangle -- `_default` is the library's own name
/** Parts of a memory that a request takes away, in the words of every route that has a memory read. */
import * as z from "zod/mini";
import type { Ablation } from "../memory/index.ts";

export type Ablate = Required<Ablation>;

export const nothingTaken: Ablate = {
  layers: [],
  orders: [],
  heads: [],
  rows: [],
  counts: [],
  contexts: [],
};

const whole = z.int().check(z.minimum(0));
const few = z.array(whole).check(z.maxLength(1024));
const rowOfLayer = z.strictObject({ layer: whole, row: whole });

export const ablateSchema: z.ZodMiniType<Ablate> = z.strictObject({
  layers: z._default(few, []),
  orders: z._default(few, []),
  heads: z._default(few, []),
  rows: z._default(z.array(rowOfLayer).check(z.maxLength(1024)), []),
  counts: z._default(few, []),
  contexts: z._default(z.array(few).check(z.maxLength(1024)), []),
});
