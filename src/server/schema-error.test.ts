import assert from "node:assert/strict";
import test from "node:test";
import { ApiError } from "./api-error.ts";
import { chatSchema } from "./chat-request.ts";
import { inspectSchema } from "./inspect-protocol.ts";
import { collisionSchema } from "./memory-protocol.ts";
import { completionSchema } from "./protocol.ts";
import { checkSchema } from "./schema-error.ts";

const user = { role: "user", content: "a" };

for (const [what, schema, body, param, message] of [
  [
    "too many",
    completionSchema,
    { stop: Array(17).fill("x") },
    "stop",
    /^stop: expected at most 16 items, got 17$/,
  ],
  [
    "too long a text",
    completionSchema,
    { stop: ["x".repeat(1001)] },
    "stop.0",
    /at most 1000 characters, got 1001$/,
  ],
  ["one of another kind", completionSchema, { stop: ["x", 5] }, "stop.1", /expected string/],
  ["none", completionSchema, { prompt: [] }, "prompt", /^prompt: expected at least 1 item, got 0$/],
  ["too high", completionSchema, { top_p: 1.5 }, "top_p", /^top_p: expected at most 1, got 1.5$/],
  ["too low", completionSchema, { n: 0 }, "n", /^n: expected at least 1, got 0$/],
  // As which JSON reads 1e999.
  [
    "infinity",
    completionSchema,
    { top_p: Infinity },
    "top_p",
    /^top_p: expected number, got Infinity$/,
  ],
  ["nothing", chatSchema, {}, "messages", /^messages: expected array, got nothing$/],
  ["half a number", completionSchema, { n: 1.5 }, "n", /^n: expected integer, got 1.5$/],
  [
    "too many ids",
    completionSchema,
    { stop_token_ids: Array(1025).fill(1) },
    "stop_token_ids",
    /^stop_token_ids: expected at most 1024 items, got 1025$/,
  ],
  [
    "an unknown form",
    chatSchema,
    { messages: [user], response_format: { type: "xml" } },
    "response_format.type",
    /^response_format.type: expected "text" or "json_object" or "json_schema"$/,
  ],
  ["another kind", completionSchema, { stop: 5 }, "stop", /^stop: expected string or array$/],
  [
    "too many prompts",
    completionSchema,
    { prompt: Array(1025).fill("x") },
    "prompt",
    /at most 1024 items, got 1025$/,
  ],
  ["a number among prompts", completionSchema, { prompt: ["x", 5] }, "prompt.1", /expected string/],
  ["an id among lists", completionSchema, { prompt: [[1], 5] }, "prompt.1", /expected array/],
  ["what might be any list", completionSchema, { prompt: [1.5] }, "prompt", /list of lists/],
  ["a key that is none", completionSchema, { logit_bias: { x: 1 } }, "logit_bias.x", /token id/],
  [
    "a word that is none",
    completionSchema,
    { engram: { return: ["x"] } },
    "engram.return.0",
    /"rows"/,
  ],
  ["a number", collisionSchema, { text: [5] }, "text.0", /expected string/],
  ["nothing", collisionSchema, {}, "text", /^text: expected string or array$/],
  [
    "a picture",
    chatSchema,
    { messages: [user, { ...user, content: [{ type: "image_url" }] }] },
    "messages.1.content.0.type",
    /expected "text"/,
  ],
  [
    "a row that is none",
    inspectSchema,
    { text: "a", ablate: { rows: [{}] } },
    "ablate.rows.0.layer",
    /number/,
  ],
] as const)
  test(`${what} for ${param} is refused there, in words`, () => {
    const given = schema === completionSchema ? { prompt: "a", ...body } : body;
    assert.throws(
      () => checkSchema<unknown>(schema, given),
      (error) => error instanceof ApiError && error.param === param && message.test(error.message),
    );
  });
