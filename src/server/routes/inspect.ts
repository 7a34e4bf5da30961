/** `/engram/inspect`: compares the model with and without its memory, token by token. One inspection runs at a time. */
import { promptIdsOf, startOf } from "../../prompt-ids.ts";
import type { Router } from "../router.ts";
import { inspectIds, maxInspectedIds } from "../../inspect/index.ts";
import { ApiError } from "../api-error.ts";
import { type InspectRequest } from "../inspect-protocol.ts";
import { checkLength, checkPrompt } from "../prompts.ts";
import { checkModelName, type RouteContext, type Serving } from "../serving.ts";

export function inspectRoutes(app: Router, context: RouteContext): void {
  app.post("/engram/inspect", async (c) => {
    const serving = context.serving();
    const body = await context.readBody(c.req.raw, "inspect");
    checkModelName(serving, body.model);
    const { signal } = c.req.raw;
    const { ids, numHidden } = await idsOf(body, serving, signal);
    const { top, scale, ablate } = body;
    const report = await context.inTurn(signal, () =>
      inspectIds(serving.model, ids, { numHidden, top, scale, ablate, signal }),
    );
    return c.json({ model: serving.name, ...report });
  });
}

async function idsOf(
  { text, ids, continuation = [] }: InspectRequest,
  { model: { tokenizer } }: Serving,
  signal: AbortSignal,
): Promise<{ ids: number[]; numHidden: number }> {
  const param = text === undefined ? "ids" : "text";
  if (text !== undefined) checkLength(text, { tokenizer, most: maxInspectedIds, param });
  const read = text === undefined ? ids! : await promptIdsOf(tokenizer, text, { signal });
  const all = [...read, ...continuation];
  if (all.length > maxInspectedIds)
    throw new ApiError(
      `${param}: ${all.length} tokens; an inspection reads at most ${maxInspectedIds}, so send less`,
      { param, code: "text_too_long" },
    );
  checkPrompt(all, { tokenizer, most: maxInspectedIds, param });
  const numHidden = text === undefined ? 0 : startOf(tokenizer, text).length;
  return { ids: all, numHidden };
}
