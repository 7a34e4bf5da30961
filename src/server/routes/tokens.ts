/** `/tokenize` and `/detokenize`: text <-> token ids, by the served model's tokenizer. */
import type { Router } from "../router.ts";
import { startOf } from "../../prompt-ids.ts";
import type { Tokenizer } from "../../tokenizer/index.ts";
import { ApiError } from "../api-error.ts";
import { chatIds } from "../chat-ids.ts";
import { checkLength } from "../prompts.ts";
import type { TokenizeRequest } from "../token-protocol.ts";
import { checkModelName, type RouteContext, type Serving } from "../serving.ts";
import { tokenText } from "../token-text.ts";

export function tokenRoutes(app: Router, context: RouteContext): void {
  app.post("/tokenize", async (c) => {
    const serving = context.serving();
    const body = await context.readBody(c.req.raw, "tokenize");
    checkModelName(serving, body.model);
    const { tokenizer } = serving.model;
    const wantsTexts = body.with_pieces === true || body.return_token_strs === true;
    const tokens = await tokensOf(body, {
      serving,
      most: wantsTexts ? mostWithTexts : mostTokens,
      signal: c.req.raw.signal,
    });
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
    const body = await context.readBody(c.req.raw, "detokenize");
    checkModelName(serving, body.model);
    const { tokenizer } = serving.model;
    const wrong = body.tokens.find((id) => id >= tokenizer.vocabSize);
    if (wrong !== undefined)
      throw new ApiError(
        `tokens: ${wrong} is outside the vocabulary 0..${tokenizer.vocabSize - 1}`,
        { param: "tokens" },
      );
    const text = tokenizer.decode(body.tokens);
    // Clients of vLLM read `prompt`, clients of llama-server `content`. The requests look the same.
    return c.json({ prompt: text, content: text });
  });
}

/** Most tokens of an answer, since it is written on the server's thread. Texts make it much longer. */
const mostTokens = 2 ** 18;
const mostWithTexts = 2 ** 14;

async function tokensOf(
  body: TokenizeRequest,
  { serving, most, signal }: { serving: Serving; most: number; signal: AbortSignal },
): Promise<number[]> {
  const { tokenizer } = serving.model;
  const { messages } = body;
  const allowSpecial = body.parse_special ?? false;
  const addGenerationPrompt = body.add_generation_prompt ?? true;
  const param = body.prompt == null ? "content" : "prompt";
  const text = body.prompt ?? body.content ?? "";
  checkLength(text, { tokenizer, most, param });
  const tokens =
    messages == null
      ? await tokenizer.encode(text, { allowSpecial, signal })
      : await chatIds(serving, { messages, most, addGenerationPrompt, signal });
  if (tokens.length > most)
    throw new ApiError(
      `${param}: ${tokens.length} tokens; this server returns at most ${most} at once, so send less`,
      { param, code: "text_too_long" },
    );
  const isBegun = body.add_special_tokens ?? body.add_special ?? false;
  return isBegun ? [...startOf(tokenizer, text), ...tokens] : [...tokens];
}

/** The token's text, or its bytes if it is not valid UTF-8 by itself, as llama-server returns it. */
function pieceOf(tokenizer: Tokenizer, id: number): string | number[] {
  const text = tokenText(tokenizer, id);
  return text.startsWith("bytes:") ? Array.from(tokenizer.tokenBytes(id)) : text;
}
