/** Parts of a memory that a request takes away, in the words of every route that has a memory read. */
import * as z from "zod";

export interface Ablate {
  readonly layers: readonly number[];
  readonly orders: readonly number[];
  readonly heads: readonly number[];
  readonly rows: readonly { readonly layer: number; readonly row: number }[];
}

export const nothingTaken: Ablate = { layers: [], orders: [], heads: [], rows: [] };

const whole = z.int().min(0);
const few = z.array(whole).max(1024);
const rowOfLayer = z.strictObject({ layer: whole, row: whole });

export const ablateSchema: z.ZodType<Ablate> = z
  .strictObject({
    layers: few.default([]),
    orders: few.default([]).describe("lengths of n-grams; 2 means pairs of tokens"),
    heads: few.default([]).describe("hash heads, counted from 0"),
    rows: z
      .array(rowOfLayer)
      .max(1024)
      .default([])
      .describe(
        "rows of the layers' tables; the rows read after a token (layers[].after.rows) affect the token after it",
      ),
  })
  .describe("parts of the memory to read as zeros: everything that any of the lists names");
