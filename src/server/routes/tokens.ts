/** `/tokenize` and `/detokenize`: text <-> token ids, as the served model's tokenizer has them. */
import type { Hono } from "hono";
import type { Tokenizer } from "../../tokenizer/index.ts";
import { ApiError } from "../api-error.ts";
import { readBody } from "../body.ts";
import { chatTemplateOf, renderChat } from "../chat-template.ts";
import { detokenizeSchema, type TokenizeRequest, tokenizeSchema } from "../protocol.ts";
import { checkModelName, type RouteContext, type Serving } from "../serving.ts";
import { tokenText } from "../token-text.ts";

export function tokenRoutes(app: Hono, context: RouteContext): void {
  app.post("/tokenize", async (c) => {
    const serving = context.serving();
    const { maxBodyBytes: maxBytes } = context.options;
    const body = await readBody(c.req.raw, { schema: tokenizeSchema, maxBytes });
    checkModelName(serving, body.model);
    const { tokenizer } = serving.model;
    const tokens = tokensOf(body, serving);
    return c.json({
      count: tokens.length,
      max_model_len: serving.scheduler.contextSize,
      tokens:
        body.with_pieces === true
          ? tokens.map((id) => ({ id, piece: pieceOf(tokenizer, id) }))
          : tokens,
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
    const text = tokenizer.decode(body.tokens);
    // vLLM's clients read the one, llama-server's the other; the request does not tell them apart.
    return c.json({ prompt: text, content: text });
  });
}

function tokensOf(body: TokenizeRequest, serving: Serving): number[] {
  const { tokenizer } = serving.model;
  const { prompt, content, messages, parse_special: allowSpecial } = body;
  const addGenerationPrompt = body.add_generation_prompt ?? true;
  const tokens = Array.from(
    messages == null
      ? tokenizer.encode(prompt ?? content ?? "", { allowSpecial: allowSpecial ?? false })
      : tokenizer.encode(
          renderChat(chatTemplateOf(serving), { messages, tokenizer, addGenerationPrompt }),
          { allowSpecial: true },
        ),
  );
  const eos = tokenizer.eosTokenId;
  const isBegun = body.add_special_tokens ?? body.add_special ?? false;
  return isBegun && eos !== undefined ? [eos, ...tokens] : tokens;
}

/** The token's text, or its bytes where it is part of a character, as llama-server has it. */
function pieceOf(tokenizer: Tokenizer, id: number): string | number[] {
  const text = tokenText(tokenizer, id);
  return text.startsWith("bytes:") ? Array.from(tokenizer.tokenBytes(id)) : text;
}
