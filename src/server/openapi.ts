/** The interface described for machines: OpenAPI 3.1, its request bodies from the schemas that check them. */
import * as z from "zod";
import { corpusSchema, inspectSchema, rowsSchema } from "./inspect-protocol.ts";
import {
  chatSchema,
  completionSchema,
  detokenizeSchema,
  embeddingSchema,
  tokenizeSchema,
} from "./protocol.ts";

interface Route {
  readonly method: "get" | "post";
  readonly path: string;
  readonly summary: string;
  readonly body?: z.ZodType;
  readonly produces?: readonly string[];
}

const json = "application/json";

/** Every route there is; a test holds it to the routes that answer. */
export const routes: readonly Route[] = [
  {
    method: "post",
    path: "/v1/completions",
    summary: "Continue a text",
    body: completionSchema,
    produces: [json, "text/event-stream"],
  },
  {
    method: "post",
    path: "/v1/chat/completions",
    summary: "Continue a conversation",
    body: chatSchema,
    produces: [json, "text/event-stream"],
  },
  { method: "post", path: "/v1/embeddings", summary: "Texts to vectors", body: embeddingSchema },
  { method: "post", path: "/tokenize", summary: "Text to token ids", body: tokenizeSchema },
  { method: "post", path: "/detokenize", summary: "Token ids to text", body: detokenizeSchema },
  {
    method: "post",
    path: "/engram/inspect",
    summary: "Read a text with the memory and without, told token by token",
    body: inspectSchema,
  },
  { method: "get", path: "/engram/corpus", summary: "The text whose n-grams are told for rows" },
  { method: "post", path: "/engram/corpus", summary: "Give that text", body: corpusSchema },
  {
    method: "post",
    path: "/engram/rows",
    summary: "N-grams of that text that fall on rows",
    body: rowsSchema,
  },
  { method: "get", path: "/v1/models", summary: "The served model" },
  { method: "get", path: "/v1/models/{name}", summary: "The served model, by name" },
  { method: "get", path: "/health", summary: "200 when requests are answered, 503 while loading" },
  { method: "get", path: "/props", summary: "Sizes of the model, its memory and the server" },
  { method: "get", path: "/version", summary: "Version of the server" },
  {
    method: "get",
    path: "/metrics",
    summary: "Counts and times for Prometheus",
    produces: ["text/plain"],
  },
  { method: "get", path: "/openapi.json", summary: "This document" },
];

const errorSchema = z.strictObject({
  error: z.strictObject({
    message: z.string(),
    type: z.string(),
    param: z.string().nullable(),
    code: z.string().nullable(),
  }),
});

export function openApi(version: string): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const { method, path, summary, body, produces = [json] } of routes) {
    const content = Object.fromEntries(produces.map((type) => [type, {}]));
    (paths[path] ??= {})[method] = {
      summary,
      ...(path.includes("{name}") && {
        parameters: [{ name: "name", in: "path", required: true, schema: { type: "string" } }],
      }),
      ...(body && {
        requestBody: {
          required: true,
          content: { [json]: { schema: z.toJSONSchema(body, { io: "input" }) } },
        },
      }),
      responses: {
        200: { description: summary, content },
        default: {
          description: "What went wrong",
          content: { [json]: { schema: z.toJSONSchema(errorSchema) } },
        },
      },
    };
  }
  return { openapi: "3.1.0", info: { title: "engram", version }, paths };
}
