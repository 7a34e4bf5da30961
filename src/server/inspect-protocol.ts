/** Schemas of requests that inspect the memory. Unknown parameters are refused. */
import * as z from "zod";
import { type Ablate, ablateSchema, nothingTaken } from "./ablate-field.ts";

const whole = z.int().min(0);
const ids = z.array(whole.max(2 ** 31 - 1)).max(2 ** 20);
const few = z.array(whole).max(1024);

export interface InspectRequest {
  readonly model?: string | null | undefined;
  readonly text?: string | undefined;
  readonly ids?: readonly number[] | undefined;
  readonly continuation?: readonly number[] | undefined;
  readonly top: number;
  readonly scale: number;
  readonly ablate: Ablate;
}

export const inspectSchema: z.ZodType<InspectRequest> = z
  .strictObject({
    model: z.string().nullish(),
    text: z.string().optional().describe("a text, read as the beginning of a document"),
    ids: ids.min(1).optional().describe("token ids in place of text; nothing is put before them"),
    continuation: ids.optional().describe("token ids that follow the text"),
    top: z
      .int()
      .min(0)
      .max(20)
      .default(0)
      .describe(
        "number of most likely next tokens to list at each position, with and without the memory",
      ),
    scale: z
      .number()
      .min(-100)
      .max(100)
      .default(1)
      .describe("factor for what the memory adds; 0 switches it off"),
    ablate: ablateSchema.default(nothingTaken),
  })
  .refine((body) => (body.text === undefined) !== (body.ids === undefined), {
    error: "expected either text or ids",
  })
  .describe(
    "A text to read with and without the memory. log_probs[t] belong to token t. layers[].after.rows[t] and next[t] are the " +
      "rows read after token t, and the predictions for the token after it.",
  );

export interface CorpusRequest {
  readonly name: string;
  readonly text: string;
}

export const corpusSchema: z.ZodType<CorpusRequest> = z
  .strictObject({ name: z.string().max(200).default("corpus"), text: z.string().min(1) })
  .describe("A text whose n-grams can be looked up by their rows. The answer has the id to do so.");

export interface TrainingRequest {
  readonly name: string;
  readonly text?: string | undefined;
}

export const trainingSchema: z.ZodType<TrainingRequest> = z
  .strictObject({
    name: z.string().max(200).default("a text"),
    text: z.string().min(1).optional().describe("default: the sample"),
  })
  .describe("A text to train a small model on, whose last tenth is held out.");

export interface RowsRequest {
  readonly corpus?: string | undefined;
  readonly layer: number;
  readonly rows?: readonly number[] | undefined;
  readonly area?: { readonly from: number; readonly to: number } | undefined;
}

export const rowsSchema: z.ZodType<RowsRequest> = z
  .strictObject({
    corpus: z
      .string()
      .max(100)
      .optional()
      .describe(
        "the id from the answer of /engram/corpus; by default the text that the model was trained on",
      ),
    layer: whole,
    rows: few.min(1).optional().describe("rows, each of which is answered"),
    area: z
      .strictObject({ from: whole, to: whole.describe("one past the last row") })
      .optional()
      .describe("rows of one order and head that are answered together"),
  })
  .refine(({ rows, area }) => rows !== undefined || area !== undefined, {
    error: "expected rows, an area, or both",
  })
  .describe("Rows of a layer's table to look up.");

export interface CollisionRequest {
  readonly text: string | readonly string[];
}

export const collisionSchema: z.ZodType<CollisionRequest> = z
  .strictObject({ text: z.union([z.string(), z.array(z.string()).min(1).max(100_000)]) })
  .describe("One or more texts, to count which of their n-grams share a row of the memory.");

/** What is asked of a map of rows, in a query. */
export interface BinsQuery {
  readonly layer: number;
  readonly from: number;
  readonly to: number;
  readonly bins: number;
}

/** About as many as a map on the page has pixels to point at. */
const maxBins = 16_384;

const wholeNumber = z
  .string()
  .regex(/^\d{1,10}$/, "expected a whole number")
  .transform(Number);

export const binsSchema: z.ZodType<BinsQuery, unknown> = z.strictObject({
  layer: wholeNumber.pipe(z.int().min(0)).describe("id of a layer with a memory"),
  from: wholeNumber.pipe(z.int().min(0)).describe("first row"),
  to: wholeNumber.pipe(z.int().min(0)).describe("one past the last row"),
  bins: wholeNumber
    .pipe(z.int().min(1).max(maxBins))
    .describe("number of bins; their sizes differ by one row at most"),
});
