// oxlint-disable no-underscore-dangle -- `_default` is the library's own name
/** Schemas of requests about what the model was taught. The facts themselves are checked by `facts/`. */
import * as z from "zod/mini";
import type { FactRequest } from "../facts/index.ts";
import { scopeName } from "./scope-name.ts";

/** Facts of one request: more are a file, taught in parts. */
const maxFacts = 1024;

const text = z.optional(z.string());
const nameField = z.optional(scopeName);

const factFields = {
  prompt: z.string().check(z.describe("after this text; or a whole sentence, without completion")),
  completion: text.check(z.describe("comes this one")),
  subject: text.check(z.describe("what the fact is about, as the prompt names it")),
  paraphrases: z.optional(z.array(z.string())),
  source: text.check(z.describe("where it is from, for readers")),
  scope: nameField.check(z.describe("whom it is for; default: default, or the key's first")),
  id: nameField.check(z.describe("its name; a fact of that name in the scope is replaced")),
  createdAt: text.check(z.describe("as an export has it; default: now")),
  expiresAt: text.check(z.describe("a time such as 2026-12-31T00:00:00.000Z")),
};

export interface FactsRequest extends Omit<FactRequest, "prompt"> {
  readonly model?: string | null | undefined;
  readonly prompt?: string | undefined;
  readonly facts?: readonly FactRequest[] | undefined;
}

export const factsSchema: z.ZodMiniType<FactsRequest> = z
  .strictObject({
    model: z.nullish(z.string()),
    ...factFields,
    prompt: z.optional(factFields.prompt),
    facts: z.optional(
      z.array(z.strictObject(factFields)).check(z.minLength(1), z.maxLength(maxFacts)),
    ),
  })
  .check(
    z.refine(
      ({ facts, ...one }) => {
        const given = Object.keys(factFields).some(
          (key) => one[key as keyof FactRequest] !== undefined,
        );
        return facts === undefined ? one.prompt !== undefined : !given;
      },
      { path: ["prompt"], error: "expected the fields of one fact, or a list facts" },
    ),
    z.describe("What the model is to know from now on: one fact, or several, all or none."),
  );

export interface SnapshotRequest {
  readonly name: string;
}

export const snapshotSchema: z.ZodMiniType<SnapshotRequest> = z
  .strictObject({ name: scopeName.check(z.describe("a name that is not taken")) })
  .check(z.describe("A name for what was taught so far, in all scopes."));

const maxListed = 1000;

export interface ListQuery {
  readonly scope?: string | undefined;
  readonly after?: string | undefined;
  readonly limit: number;
}

export const listSchema: z.ZodMiniType<ListQuery> = z.strictObject({
  scope: nameField.check(z.describe("only of this scope")),
  after: z
    .optional(z.string().check(z.maxLength(129)))
    .check(z.describe('"next" of the page before')),
  limit: z
    ._default(
      z.pipe(
        z.pipe(
          z.string().check(z.regex(/^\d{1,4}$/, "expected a whole number")),
          z.transform(Number),
        ),
        z.int().check(z.minimum(1), z.maximum(maxListed)),
      ),
      100,
    )
    .check(z.describe("facts of a page")),
});

export interface ForgetQuery {
  readonly id?: string | undefined;
  readonly scope?: string | undefined;
  readonly all?: "true" | undefined;
}

export const forgetSchema: z.ZodMiniType<ForgetQuery> = z
  .strictObject({
    id: nameField.check(z.describe("of one fact")),
    scope: nameField.check(z.describe("of which scope")),
    all: z.optional(z.literal("true")).check(z.describe("of all scopes")),
  })
  .check(
    z.refine(
      ({ id, scope, all }) => (id ?? scope ?? all) !== undefined,
      "expected id, or scope, or all=true",
    ),
  );
