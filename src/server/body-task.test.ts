/** Bodies that are JSON and no text: halves of characters, wherever they stand. */
import assert from "node:assert/strict";
import test from "node:test";
import { ApiError } from "./api-error.ts";
import { type BodyName, parseBody } from "./body-task.ts";

const bytesOf = (json: string): Uint8Array => new TextEncoder().encode(json);

for (const [name, json, param] of [
  ["completion", String.raw`{"prompt":"a\ud83d"}`, "prompt"],
  ["completion", String.raw`{"prompt":["ok","\uDE00b"]}`, "prompt.1"],
  ["completion", String.raw`{"prompt":"ok","stop":"\udbff"}`, "stop"],
  [
    "chat",
    String.raw`{"messages":[{"role":"user","content":"\ud83d\ud83d"}]}`,
    "messages.0.content",
  ],
  ["completion", String.raw`{"prompt":"ok","logit_bias":{"\ud800":1}}`, "logit_bias"],
] as const)
  test(`${json} is refused by the name of what is no text`, async () => {
    await assert.rejects(parseBody(name satisfies BodyName, bytesOf(json)), (error: unknown) => {
      assert.ok(error instanceof ApiError);
      assert.deepEqual([error.status, error.param], [400, param]);
      assert.match(error.message, /lone surrogate at character \d+/);
      return true;
    });
  });

test("pairs are characters, and a backslash before a u is a backslash", async () => {
  const json = String.raw`{"prompt":"\ud83d\ude00 \\ud83d"}`;
  const { prompt } = await parseBody("completion", bytesOf(json));
  assert.equal(prompt, String.raw`😀 \ud83d`);
});
