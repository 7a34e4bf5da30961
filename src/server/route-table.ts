/** All routes: their paths, and the schemas of what is sent to them. Answers nothing. */
import * as z from "zod/mini";
import { chatSchema } from "./chat-request.ts";
import { factsSchema, forgetSchema, listSchema, snapshotSchema } from "./facts-protocol.ts";
import { inspectSchema } from "./inspect-protocol.ts";
import { binsSchema, collisionSchema, corpusSchema, rowsSchema } from "./memory-protocol.ts";
import { completionSchema } from "./protocol.ts";
import { detokenizeSchema, embeddingSchema, tokenizeSchema } from "./token-protocol.ts";
import { trainingSchema } from "./training-protocol.ts";

export interface Route {
  readonly method: "get" | "post" | "delete";
  readonly path: string;
  readonly summary: string;
  readonly body?: z.ZodMiniType;
  /** Query parameters, by what becomes of their text. */
  readonly query?: z.ZodMiniType;
  readonly produces?: readonly string[];
}

export const json = "application/json";

const corpusQuery = z.object({
  id: z
    .optional(z.string())
    .check(
      z.describe(
        "id from the answer to the upload; by default the text that the model was trained on",
      ),
    ),
});

/** All routes. A test compares them with the routes that the server answers. */
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
    summary: "Write the next message of a conversation",
    body: chatSchema,
    produces: [json, "text/event-stream"],
  },
  {
    method: "post",
    path: "/v1/embeddings",
    summary: "Compute a vector for each text",
    body: embeddingSchema,
  },
  {
    method: "post",
    path: "/tokenize",
    summary: "Convert a text to token ids",
    body: tokenizeSchema,
  },
  {
    method: "post",
    path: "/detokenize",
    summary: "Convert token ids to a text",
    body: detokenizeSchema,
  },
  {
    method: "post",
    path: "/engram/inspect",
    summary: "Compare the model with and without its memory, token by token",
    body: inspectSchema,
  },
  {
    method: "post",
    path: "/engram/corpus",
    summary: "Upload a text, to find its n-grams by their rows",
    body: corpusSchema,
  },
  {
    method: "get",
    path: "/engram/corpus",
    summary:
      "Sizes of the text that the model was trained on, or of an uploaded one while the server still has it",
    query: corpusQuery,
  },
  {
    method: "get",
    path: "/engram/corpus/collisions",
    summary: "How many n-grams of such a text share a row",
    query: corpusQuery,
  },
  {
    method: "post",
    path: "/engram/rows",
    summary: "N-grams of such a text that use the given rows",
    body: rowsSchema,
  },
  {
    method: "get",
    path: "/engram/training",
    summary: "The training run where the server is; null where it offers none",
  },
  {
    method: "post",
    path: "/engram/training",
    summary: "Train a small model on a text, where that is offered",
    body: trainingSchema,
  },
  { method: "delete", path: "/engram/training", summary: "Stop that run" },
  { method: "get", path: "/v1/models", summary: "The served model" },
  { method: "get", path: "/v1/models/{name}", summary: "The served model, by name" },
  {
    method: "get",
    path: "/health",
    summary: "Status 200 when the server is ready, 503 while the model loads",
  },
  {
    method: "get",
    path: "/props",
    summary: "Settings and sizes of the model, its memory and the server",
  },
  { method: "get", path: "/version", summary: "Version of the server" },
  {
    method: "get",
    path: "/metrics",
    summary: "Metrics for Prometheus",
    produces: ["text/plain"],
  },
  {
    method: "get",
    path: "/engram/memory",
    summary: "The memory's tables and counts: their buckets, their reads, and how long these take",
  },
  {
    method: "get",
    path: "/engram/memory/rows",
    summary: "Norms of a table's rows, in bins of neighbouring rows",
    query: binsSchema,
  },
  {
    method: "get",
    path: "/engram/memory/reads",
    summary: "How often the rows of each bin were read",
    query: binsSchema,
  },
  {
    method: "get",
    path: "/engram/memory/fill",
    summary: "How many rows of each order and head training has used",
  },
  {
    method: "get",
    path: "/engram/memory/collisions",
    summary: "How many n-grams share a row, of those that this server has read",
  },
  {
    method: "post",
    path: "/engram/memory/collisions",
    summary: "How many n-grams share a row, of those in a text",
    body: collisionSchema,
  },
  {
    method: "post",
    path: "/engram/facts",
    summary: "Teach the model facts, at once and exactly",
    body: factsSchema,
  },
  {
    method: "get",
    path: "/engram/facts",
    summary: "What the model was taught, the oldest first",
    query: listSchema,
  },
  {
    method: "delete",
    path: "/engram/facts",
    summary: "Erase facts: one, those of a scope, or all",
    query: forgetSchema,
  },
  { method: "get", path: "/engram/snapshots", summary: "Names of what was taught at some moments" },
  {
    method: "post",
    path: "/engram/snapshots",
    summary: "Give what was taught so far a name",
    body: snapshotSchema,
  },
  { method: "delete", path: "/engram/snapshots/{name}", summary: "Remove a snapshot" },
  {
    method: "post",
    path: "/engram/snapshots/{name}/rollback",
    summary: "Go back to a snapshot",
  },
  { method: "get", path: "/engram/runs", summary: "Training runs and their progress" },
  {
    method: "get",
    path: "/engram/runs/log",
    summary: "Lines of a training run's log, from a cursor on",
    query: z.object({
      run: z.string().check(z.describe("name of the run")),
      cursor: z
        .optional(z.string())
        .check(z.describe("cursor from the previous answer; empty at first")),
    }),
  },
  { method: "get", path: "/openapi.json", summary: "This document" },
];

/** The methods allowed for a path, by the route that says most of it; none if no route has it. */
export function methodsOf(path: string): string[] {
  const fitting = routes.filter(({ path: pattern }) => {
    const [begin, end] = pattern.split("{name}");
    if (end === undefined) return path === begin;
    const hasName = path.length > begin!.length + end.length;
    return hasName && path.startsWith(begin!) && path.endsWith(end);
  });
  const longest = Math.max(...fitting.map(({ path: pattern }) => pattern.length));
  return fitting
    .filter(({ path: pattern }) => pattern.length === longest)
    .map(({ method }) => method.toUpperCase());
}
