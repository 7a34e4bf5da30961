// oxlint-disable no-underscore-dangle -- `_default` is the library's own name
/** Parts of a memory that a request takes away, in the words of every route that has a memory read. */
import * as z from "zod/mini";

export interface Ablate {
  readonly layers: readonly number[];
  readonly orders: readonly number[];
  readonly heads: readonly number[];
  readonly rows: readonly { readonly layer: number; readonly row: number }[];
  readonly counts: readonly number[];
  readonly contexts: readonly (readonly number[])[];
}

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

export const ablateSchema: z.ZodMiniType<Ablate> = z
  .strictObject({
    layers: z._default(few, []),
    orders: z
      ._default(few, [])
      .check(z.describe("lengths of n-grams that lead to rows; 2 means pairs of tokens")),
    heads: z._default(few, []).check(z.describe("hash heads, counted from 0")),
    rows: z
      ._default(z.array(rowOfLayer).check(z.maxLength(1024)), [])
      .check(
        z.describe(
          "rows of the layers' tables; the rows read after a token (layers[].after.rows) affect the token after it",
        ),
      ),
    counts: z
      ._default(few, [])
      .check(z.describe("lengths of n-grams whose counts are not read; 2 means pairs of tokens")),
    contexts: z
      ._default(z.array(few).check(z.maxLength(1024)), [])
      .check(
        z.describe(
          "token ids behind which no count is read, as if they had never been met: exactly these, longer and shorter ones are",
        ),
      ),
  })
  .check(
    z.describe("parts of the memory that are not read: everything that any of the lists names"),
  );
