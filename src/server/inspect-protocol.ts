/** What requests to look into the memory may hold, as schemas. Unknown parameters are refused. */
import * as z from "zod";

const whole = z.int().min(0);
const ids = z.array(whole.max(2 ** 31 - 1)).max(2 ** 20);
const few = z.array(whole).max(1024);
const rowOfLayer = z.strictObject({ layer: whole, row: whole });

export interface InspectRequest {
  readonly model?: string | null | undefined;
  readonly text?: string | undefined;
  readonly ids?: readonly number[] | undefined;
  readonly continuation?: readonly number[] | undefined;
  readonly top: number;
  readonly scale: number;
  readonly ablate: {
    readonly layers: readonly number[];
    readonly orders: readonly number[];
    readonly heads: readonly number[];
    readonly rows: readonly { readonly layer: number; readonly row: number }[];
  };
}

const nothing = { layers: [], orders: [], heads: [], rows: [] };

export const inspectSchema: z.ZodType<InspectRequest> = z
  .strictObject({
    model: z.string().nullish(),
    text: z.string().optional().describe("read as the beginning of a document"),
    ids: ids.min(1).optional().describe("in place of text: what the model reads, as it stands"),
    continuation: ids.optional().describe("token ids to read behind the text"),
    top: z
      .int()
      .min(0)
      .max(20)
      .default(0)
      .describe("likeliest next tokens to tell of every position, with the memory and without"),
    scale: z.number().min(-100).max(100).default(1).describe("multiplies what the memory adds"),
    ablate: z
      .strictObject({
        layers: few.default([]),
        orders: few.default([]).describe("2 for pairs of tokens"),
        heads: few.default([]).describe("counted from 0"),
        rows: z
          .array(rowOfLayer)
          .max(1024)
          .default([])
          .describe(
            "rows of layers' tables; those read after a token (layers[].after.rows) act on the token behind it",
          ),
      })
      .default(nothing)
      .describe("what to take away: everything that any of the lists names reads as zeros"),
  })
  .refine((body) => (body.text === undefined) !== (body.ids === undefined), {
    error: "send text or ids, one of them",
  })
  .describe(
    "A text to read with the memory and without. log_probs[t] are of token t; layers[].after and next[t] are what " +
      "was read and foretold when token t had been read.",
  );

export interface CorpusRequest {
  readonly name: string;
  readonly text: string;
}

export const corpusSchema: z.ZodType<CorpusRequest> = z
  .strictObject({ name: z.string().max(200).default("corpus"), text: z.string().min(1) })
  .describe("A text whose n-grams are told for rows, to whoever has the id that is answered.");

export interface RowsRequest {
  readonly corpus: string;
  readonly layer: number;
  readonly rows: readonly number[];
}

export const rowsSchema: z.ZodType<RowsRequest> = z
  .strictObject({
    corpus: z.string().max(100).describe("id that /engram/corpus answered"),
    layer: whole,
    rows: few.min(1),
  })
  .describe("Rows of a layer's table.");
