/** Schemas of requests about what the model was taught. The facts themselves are checked by `facts/`. */
import * as z from "zod";
import { type FactRequest, isFactName } from "../facts/index.ts";

/** Facts of one request: more are a file, taught in parts. */
const maxFacts = 1024;

export const scopeName: z.ZodString = z
  .string()
  .refine(isFactName, 'expected 1 to 64 letters, digits, "_", ".", ":" or "-"');

const factFields = {
  prompt: z.string().describe("after this text; or a whole sentence, without completion"),
  completion: z.string().optional().describe("comes this one"),
  subject: z.string().optional().describe("what the fact is about, as the prompt names it"),
  paraphrases: z.array(z.string()).optional(),
  source: z.string().optional().describe("where it is from, for readers"),
  scope: scopeName.optional().describe("whom it is for; default: default, or the key's first"),
  id: scopeName.optional().describe("its name; a fact of that name in the scope is replaced"),
  createdAt: z.string().optional().describe("as an export has it; default: now"),
  expiresAt: z.string().optional().describe("a time such as 2026-12-31T00:00:00.000Z"),
};

export interface FactsRequest extends Omit<FactRequest, "prompt"> {
  readonly model?: string | null | undefined;
  readonly prompt?: string | undefined;
  readonly facts?: readonly FactRequest[] | undefined;
}

export const factsSchema: z.ZodType<FactsRequest> = z
  .strictObject({
    model: z.string().nullish(),
    ...factFields,
    prompt: factFields.prompt.optional(),
    facts: z.array(z.strictObject(factFields)).min(1).max(maxFacts).optional(),
  })
  .superRefine(({ facts, ...one }, check) => {
    const given = Object.keys(factFields).some(
      (key) => one[key as keyof FactRequest] !== undefined,
    );
    if (facts === undefined ? one.prompt === undefined : given)
      check.addIssue({
        code: "custom",
        path: ["prompt"],
        message: "expected the fields of one fact, or a list facts",
      });
  })
  .describe("What the model is to know from now on: one fact, or several, all or none.");

export interface SnapshotRequest {
  readonly name: string;
}

export const snapshotSchema: z.ZodType<SnapshotRequest> = z
  .strictObject({ name: scopeName.describe("a name that is not taken") })
  .describe("A name for what was taught so far, in all scopes.");

const maxListed = 1000;

export interface ListQuery {
  readonly scope?: string | undefined;
  readonly after?: string | undefined;
  readonly limit: number;
}

export const listSchema: z.ZodType<ListQuery> = z.strictObject({
  scope: scopeName.optional().describe("only of this scope"),
  after: z.string().max(64).optional().describe("id of the last fact of the page before"),
  limit: z
    .string()
    .regex(/^\d{1,4}$/, "expected a whole number")
    .transform(Number)
    .pipe(z.int().min(1).max(maxListed))
    .default(100)
    .describe("facts of a page"),
});

export interface ForgetQuery {
  readonly id?: string | undefined;
  readonly scope?: string | undefined;
  readonly all?: "true" | undefined;
}

export const forgetSchema: z.ZodType<ForgetQuery> = z
  .strictObject({
    id: scopeName.optional().describe("of one fact"),
    scope: scopeName.optional().describe("of which scope"),
    all: z.literal("true").optional().describe("of all scopes"),
  })
  .refine(({ id, scope, all }) => (id ?? scope ?? all) !== undefined, {
    message: "expected id, or scope, or all=true",
  });
