// oxlint-disable no-underscore-dangle -- `_default` is the library's own name
/** Schemas of requests about rows, and about the n-grams of a text. Unknown parameters are refused. */
import * as z from "zod/mini";

const whole = z.int().check(z.minimum(0));
const few = z.array(whole).check(z.maxLength(1024));

export interface CorpusRequest {
  readonly name: string;
  readonly text: string;
}

export const corpusSchema: z.ZodMiniType<CorpusRequest> = z
  .strictObject({
    name: z._default(z.string().check(z.maxLength(200)), "corpus"),
    text: z.string().check(z.minLength(1)),
  })
  .check(
    z.describe(
      "A text whose n-grams can be looked up by their rows. The answer has the id to do so.",
    ),
  );

export interface RowsRequest {
  readonly corpus?: string | undefined;
  readonly layer: number;
  readonly rows?: readonly number[] | undefined;
  readonly area?: { readonly from: number; readonly to: number } | undefined;
}

export const rowsSchema: z.ZodMiniType<RowsRequest> = z
  .strictObject({
    corpus: z
      .optional(z.string().check(z.maxLength(100)))
      .check(
        z.describe(
          "the id from the answer of /engram/corpus; by default the text that the model was trained on",
        ),
      ),
    layer: whole,
    rows: z
      .optional(few.check(z.minLength(1)))
      .check(z.describe("rows, each of which is answered")),
    area: z
      .optional(
        z.strictObject({
          from: whole,
          to: whole.check(z.describe("one past the last row")),
        }),
      )
      .check(z.describe("rows of one order and head that are answered together")),
  })
  .check(
    z.refine(
      ({ rows, area }) => rows !== undefined || area !== undefined,
      "expected rows, an area, or both",
    ),
    z.describe("Rows of a layer's table to look up."),
  );

export interface CollisionRequest {
  readonly text: string | readonly string[];
}

export const collisionSchema: z.ZodMiniType<CollisionRequest> = z
  .strictObject({
    text: z.union([z.string(), z.array(z.string()).check(z.minLength(1), z.maxLength(100_000))]),
  })
  .check(
    z.describe("One or more texts, to count which of their n-grams share a row of the memory."),
  );

/** What is asked of a map of rows, in a query. */
export interface BinsQuery {
  readonly layer: number;
  readonly from: number;
  readonly to: number;
  readonly bins: number;
}

/** About as many as a map on the page has pixels to point at. */
const maxBins = 16_384;

const wholeNumber = z.pipe(
  z.string().check(z.regex(/^\d{1,10}$/, "expected a whole number")),
  z.transform(Number),
);

export const binsSchema: z.ZodMiniType<BinsQuery, unknown> = z.strictObject({
  layer: z.pipe(wholeNumber, whole).check(z.describe("id of a layer with a memory")),
  from: z.pipe(wholeNumber, whole).check(z.describe("first row")),
  to: z.pipe(wholeNumber, whole).check(z.describe("one past the last row")),
  bins: z
    .pipe(wholeNumber, z.int().check(z.minimum(1), z.maximum(maxBins)))
    .check(z.describe("number of bins; their sizes differ by one row at most")),
});
