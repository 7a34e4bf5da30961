/**
 * Parses request bodies by their schemas, with limits that are checked before the work that they limit. Small bodies
 * are parsed on the server's thread, large ones in a worker. Knows no request.
 */
import type * as z from "zod/mini";
import type { Tasks } from "../worker/index.ts";
import { ApiError } from "./api-error.ts";
import type { ChatRequest } from "./chat-request.ts";
import type { FactsRequest, SnapshotRequest } from "./facts-protocol.ts";
import { type InspectRequest, inspectSchema } from "./inspect-protocol.ts";
import type { CollisionRequest, CorpusRequest, RowsRequest } from "./memory-protocol.ts";
import { type CompletionRequest, completionSchema } from "./protocol.ts";
import { checkSchema } from "./schema-error.ts";
import type { DetokenizeRequest, EmbeddingRequest, TokenizeRequest } from "./token-protocol.ts";
import type { TrainingRequest } from "./training-protocol.ts";

/** Types of bodies, by the names that a worker uses. */
export interface Bodies {
  readonly chat: ChatRequest;
  readonly collisions: CollisionRequest;
  readonly completion: CompletionRequest;
  readonly corpus: CorpusRequest;
  readonly detokenize: DetokenizeRequest;
  readonly embedding: EmbeddingRequest;
  readonly facts: FactsRequest;
  readonly inspect: InspectRequest;
  readonly rows: RowsRequest;
  readonly snapshot: SnapshotRequest;
  readonly tokenize: TokenizeRequest;
  readonly training: TrainingRequest;
}

export type BodyName = keyof Bodies;

const ofFacts = () => import("./facts-protocol.ts");
const ofMemory = () => import("./memory-protocol.ts");
const ofTokens = () => import("./token-protocol.ts");

/** Most are loaded with the first body of their kind: a page is sent few kinds. */
const bodySchemas: {
  readonly [Name in BodyName]: () =>
    | z.ZodMiniType<Bodies[Name]>
    | Promise<z.ZodMiniType<Bodies[Name]>>;
} = {
  completion: () => completionSchema,
  inspect: () => inspectSchema,
  chat: async () => (await import("./chat-request.ts")).chatSchema,
  collisions: async () => (await ofMemory()).collisionSchema,
  corpus: async () => (await ofMemory()).corpusSchema,
  detokenize: async () => (await ofTokens()).detokenizeSchema,
  embedding: async () => (await ofTokens()).embeddingSchema,
  facts: async () => (await ofFacts()).factsSchema,
  rows: async () => (await ofMemory()).rowsSchema,
  snapshot: async () => (await ofFacts()).snapshotSchema,
  tokenize: async () => (await ofTokens()).tokenizeSchema,
  training: async () => (await import("./training-protocol.ts")).trainingSchema,
};

/** The deepest nesting of objects and lists. Messages of parts are four deep. */
const maxDepth = 16;
/** The most values, counted as commas, objects and lists: 1,024 prompts of 250 token ids. */
const maxValues = 2 ** 18;

/** Throws `ApiError` for a body that is not UTF-8, too deep, too large, not JSON, or not valid by its schema. */
export async function parseBody<Name extends BodyName>(
  name: Name,
  bytes: Uint8Array,
): Promise<Bodies[Name]> {
  checkStructure(bytes);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new ApiError("the request body could not be read as UTF-8 text", {
      code: "invalid_body",
    });
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new ApiError(`the request body is no JSON: ${(error as Error).message}`, {
      code: "invalid_json",
    });
  }
  // Bytes have none, so there is one only where it is escaped.
  if (/\\ud[89a-f]/i.test(text)) refuseLoneSurrogates(json, []);
  return checkSchema(await bodySchemas[name](), json);
}

/** A half of a character is no text: models and files would take U+FFFD in its place, without a word. */
function refuseLoneSurrogates(value: unknown, path: readonly string[]): void {
  if (typeof value === "string" && !value.isWellFormed()) {
    const param = path.join(".");
    throw new ApiError(
      `${param === "" ? "the request body" : param}: a lone surrogate at character ${[...value].findIndex((one) => !one.isWellFormed())}, ` +
        "half of a character, which is no text; send whole characters",
      { param: param === "" ? null : param, code: "invalid_value" },
    );
  }
  if (typeof value !== "object" || value === null) return;
  for (const [name, one] of Object.entries(value)) {
    refuseLoneSurrogates(name, path);
    refuseLoneSurrogates(one, [...path, name]);
  }
}

/** Counts the structure of JSON without parsing it. Bytes of non-ASCII characters never equal these. */
function checkStructure(bytes: Uint8Array): void {
  let depth = 0;
  let values = 1;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!;
    if (byte === 0x22 /* " */) i = endOfString(bytes, i);
    else if (byte === 0x5b /* [ */ || byte === 0x7b /* { */) {
      values++;
      if (++depth > maxDepth)
        throw new ApiError(
          `the request body has more than ${maxDepth} lists or objects in each other`,
          {
            code: "body_too_deep",
          },
        );
    } else if (byte === 0x5d /* ] */ || byte === 0x7d /* } */) depth--;
    else if (byte === 0x2c /* , */) values++;
    if (values > maxValues)
      throw new ApiError(
        `the request body holds more than ${maxValues} values; send less at once`,
        {
          status: 413,
          code: "body_too_large",
        },
      );
  }
}

/** Offset of the quote that ends the string that begins at `begin`. */
function endOfString(bytes: Uint8Array, begin: number): number {
  let at = bytes.indexOf(0x22, begin + 1);
  while (at !== -1) {
    let slashes = 0;
    while (bytes[at - 1 - slashes] === 0x5c /* \ */) slashes++;
    if (slashes % 2 === 0) return at;
    at = bytes.indexOf(0x22, at + 1);
  }
  return bytes.length;
}

export interface BodyTask {
  readonly name: BodyName;
  readonly bytes: Uint8Array;
}

export type BodyAnswer =
  | { readonly json: string }
  | { readonly error: Pick<ApiError, "message" | "status" | "param" | "code"> };

export function bodyTasks(): Tasks {
  return {
    async parseBody({ name, bytes }: BodyTask): Promise<BodyAnswer> {
      try {
        // As JSON, because parsing it is three times as fast as cloning the same values.
        return { json: JSON.stringify(await parseBody(name, bytes)) };
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        const { message, status, param, code } = error;
        return { error: { message, status, param, code } };
      }
    },
  };
}
