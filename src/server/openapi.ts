/** The interface described for machines: OpenAPI 3.1, its request bodies from the schemas that check them. */
import * as z from "zod";
import { corpusSchema, inspectSchema, rowsSchema } from "./inspect-protocol.ts";
import {
  chatSchema,
  collisionSchema,
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
  /** Parameters behind the question mark, with what they are. */
  readonly query?: Readonly<Record<string, string>>;
  readonly produces?: readonly string[];
}

const json = "application/json";

const binsQuery = {
  layer: "a layer that carries memory",
  from: "first row",
  to: "row behind the last",
  bins: "parts that the rows are divided into, as equal as whole rows allow",
};

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
  {
    method: "post",
    path: "/engram/corpus",
    summary: "Give a text whose n-grams are then told for rows",
    body: corpusSchema,
  },
  {
    method: "get",
    path: "/engram/corpus",
    summary: "Sizes of such a text, if it is still there",
    query: { id: "that was answered when it was given" },
  },
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
  {
    method: "get",
    path: "/engram/memory",
    summary: "The memory's tables, their buckets, what is asked of them and how long it takes",
  },
  {
    method: "get",
    path: "/engram/memory/rows",
    summary: "What the rows of a table hold, by bins of neighbouring rows",
    query: binsQuery,
  },
  {
    method: "get",
    path: "/engram/memory/reads",
    summary: "How often the rows of each bin were asked for",
    query: binsQuery,
  },
  {
    method: "get",
    path: "/engram/memory/fill",
    summary: "How full training left each order's and head's rows",
  },
  {
    method: "get",
    path: "/engram/memory/collisions",
    summary: "How the n-grams that this server has read fall on the memory's rows",
  },
  {
    method: "post",
    path: "/engram/memory/collisions",
    summary: "How the n-grams of a text fall on the memory's rows",
    body: collisionSchema,
  },
  { method: "get", path: "/engram/runs", summary: "Training runs, and how far each is" },
  {
    method: "get",
    path: "/engram/runs/log",
    summary: "The lines of a training run's log, from a cursor on",
    query: { run: "name of the run", cursor: "of the answer before; empty for the first" },
  },
  { method: "get", path: "/openapi.json", summary: "This document" },
];

/** Methods that a request's path answers to; none for a path that is no route's. */
export function methodsOf(path: string): string[] {
  return routes
    .filter((route) => {
      const [begin, isOpen] = route.path.split("{name}");
      return isOpen === undefined ? path === begin : path.startsWith(begin!) && path !== begin;
    })
    .map(({ method }) => method.toUpperCase());
}

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
  for (const { method, path, summary, body, query = {}, produces = [json] } of routes) {
    const content = Object.fromEntries(produces.map((type) => [type, {}]));
    (paths[path] ??= {})[method] = {
      summary,
      ...(parametersOf(path, query).length > 0 && { parameters: parametersOf(path, query) }),
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

function parametersOf(path: string, query: Readonly<Record<string, string>>): object[] {
  const schema = { type: "string" };
  return [
    ...(path.includes("{name}") ? [{ name: "name", in: "path", required: true, schema }] : []),
    ...Object.entries(query).map(([name, description]) => ({
      name,
      in: "query",
      required: name !== "cursor",
      description,
      schema,
    })),
  ];
}
