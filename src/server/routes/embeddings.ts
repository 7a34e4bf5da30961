/**
 * `/v1/embeddings`: computes vectors of texts. A vector is the mean of the model's final hidden states, scaled to length
 * 1, so that the dot product of two vectors is their cosine.
 */
import type { Router } from "../router.ts";
import { createSampler, type Generation } from "../../inference/index.ts";
import { InvariantError } from "../../errors.ts";
import { ApiError } from "../api-error.ts";
import { interleave } from "../interleave.ts";
import { promptsOf } from "../prompts.ts";
import { checkModelName, type RouteContext } from "../serving.ts";

export function embeddingRoutes(app: Router, context: RouteContext): void {
  app.post("/v1/embeddings", async (c) => {
    const serving = context.serving();
    const body = await context.readBody(c.req.raw, "embedding");
    checkModelName(serving, body.model);
    const { scheduler, model } = serving;
    const { enabled = true, scale = 1 } = body.engram ?? {};
    if (body.engram != null && enabled && scale !== 0 && !model.hasMemory)
      throw new ApiError("this model has no memory; send engram.enabled false, or no engram", {
        param: "engram",
        code: "no_memory",
      });
    const { signal } = c.req.raw;
    const prompts = await promptsOf(body.input, { serving, param: "input", signal });
    // Stops the other inputs when one has failed.
    const controller = new AbortController();
    using places = scheduler.reserve(prompts.length);
    const begin = prompts.map(
      ({ ids }) =>
        (): Generation =>
          places.submit({
            promptIds: ids,
            maxTokens: 0,
            sampler: createSampler({ temperature: 0 }),
            scale: enabled ? scale : 0,
            poolPrompt: true,
            signal: AbortSignal.any([controller.signal, signal]),
          }),
    );
    const vectors: Float32Array[] = [];
    try {
      for await (const { index, result } of interleave(begin, { window: scheduler.parallel }))
        if (result.done !== true && result.value.kind === "prompt")
          vectors[index] = unit(result.value.pooled);
    } finally {
      controller.abort();
    }
    const numTokens = prompts.reduce((sum, { ids }) => sum + ids.length, 0);
    serving.tallies.promptTokens.add(numTokens);
    return c.json({
      object: "list",
      model: serving.name,
      data: vectors.map((vector, index) => ({
        object: "embedding",
        index,
        embedding: body.encoding_format === "base64" ? toBase64(vector) : Array.from(vector),
      })),
      usage: { prompt_tokens: numTokens, total_tokens: numTokens },
    });
  });
}

function unit(vector: Float32Array | undefined): Float32Array {
  if (vector === undefined) throw new InvariantError("a pooled prompt came without its vector");
  const length = Math.hypot(...vector);
  return length === 0 ? vector : vector.map((x) => x / length);
}

/** The values as little-endian f32. */
function toBase64(vector: Float32Array): string {
  const view = new DataView(new ArrayBuffer(4 * vector.length));
  for (const [i, x] of vector.entries()) view.setFloat32(4 * i, x, true);
  let text = "";
  for (const byte of new Uint8Array(view.buffer)) text += String.fromCharCode(byte);
  return btoa(text);
}
