/** `/tokenize` and `/detokenize`: text <-> token ids, as the served model's tokenizer has them. */
import type { Hono } from "hono";
import { promptIdsOf } from "../../generate-text.ts";
import { ApiError } from "../api-error.ts";
import { readBody } from "../body.ts";
import { detokenizeSchema, tokenizeSchema } from "../protocol.ts";
import { checkModelName, type RouteContext } from "../serving.ts";
import { tokenText } from "../token-text.ts";

export function tokenRoutes(app: Hono, context: RouteContext): void {
  app.post("/tokenize", async (c) => {
    const serving = context.serving();
    const { maxBodyBytes: maxBytes } = context.options;
    const body = await readBody(c.req.raw, { schema: tokenizeSchema, maxBytes });
    checkModelName(serving, body.model);
    const { tokenizer } = serving.model;
    const tokens =
      body.add_special_tokens === true
        ? promptIdsOf(tokenizer, body.prompt)
        : Array.from(tokenizer.encode(body.prompt));
    return c.json({
      count: tokens.length,
      max_model_len: serving.scheduler.contextSize,
      tokens,
      token_strs:
        body.return_token_strs === true ? tokens.map((id) => tokenText(tokenizer, id)) : null,
    });
  });

  app.post("/detokenize", async (c) => {
    const serving = context.serving();
    const { maxBodyBytes: maxBytes } = context.options;
    const body = await readBody(c.req.raw, { schema: detokenizeSchema, maxBytes });
    checkModelName(serving, body.model);
    const { tokenizer } = serving.model;
    const wrong = body.tokens.find((id) => id >= tokenizer.vocabSize);
    if (wrong !== undefined)
      throw new ApiError(
        `tokens: ${wrong} is outside the vocabulary 0..${tokenizer.vocabSize - 1}`,
        { param: "tokens" },
      );
    return c.json({ prompt: tokenizer.decode(body.tokens) });
  });
}
