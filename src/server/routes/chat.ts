/** `/v1/chat/completions`: writes the next message of a conversation. Uses the model's chat template. */
import type { Router } from "../router.ts";
import type { TokenLogProb, TokenLogProbs } from "../../inference/index.ts";
import type { Tokenizer } from "../../tokenizer/index.ts";
import { ApiError } from "../api-error.ts";
import { type AnswerDelta, ChatAnswer, messageOf } from "../chat-answer.ts";
import { chatIds } from "../chat-ids.ts";
import {
  type ChoicesRequest,
  collectChoices,
  streamChoices,
  timingsOf,
  usageOf,
} from "../choices.ts";
import { engramReport } from "../engram-report.ts";
import { factsReport } from "../facts-told.ts";
import type { ChatRequest } from "../chat-request.ts";
import { responseGrammar } from "../response-grammar.ts";
import { type Reads, readsOf } from "../scopes.ts";
import { checkModelName, type RouteContext, type Serving } from "../serving.ts";
import type { TextStep } from "../text-generation.ts";
import { tokenText } from "../token-text.ts";

export function chatRoutes(app: Router, context: RouteContext): void {
  app.post("/v1/chat/completions", async (c) => {
    const serving = context.serving();
    const body = await context.readBody(c.req.raw, "chat");
    checkModelName(serving, body.model);
    const reads = readsOf(serving, context.principal(c.req.raw), body.engram);
    const request = await choicesOf(body, { serving, reads, signal: c.req.raw.signal });
    const { tokenizer } = serving.model;
    const hasTools = (body.tools ?? []).length > 0 && body.tool_choice !== "none";
    const envelope = {
      id: `chatcmpl-${crypto.randomUUID()}`,
      created: Math.floor(Date.now() / 1000),
      model: serving.name,
    };
    if (body.stream === true) {
      const chunk = (choice: object): object => ({
        ...envelope,
        object: "chat.completion.chunk",
        choices: [choice],
      });
      const n = body.n ?? 1;
      const writers = Array.from({ length: n }, () => new ChatAnswer({ hasTools }));
      return streamChoices(request, {
        context,
        shape: {
          opening: Array.from({ length: n }, (_, index) =>
            chunk({
              index,
              delta: { role: "assistant", content: "" },
              logprobs: null,
              finish_reason: null,
            }),
          ),
          step(index, step) {
            const { text, logprobs, engram } = partsOf([step], { body, tokenizer });
            const deltas: AnswerDelta[] = writers[index]!.push(text);
            if (deltas.length === 0 && (logprobs !== null || engram !== undefined)) deltas.push({});
            return deltas.map((delta, i) =>
              chunk({
                index,
                delta,
                logprobs: i === 0 ? logprobs : null,
                finish_reason: null,
                ...(i === 0 && engram && { engram }),
              }),
            );
          },
          end(index, end) {
            const writer = writers[index]!;
            const last = writer
              .end()
              .map((delta) => chunk({ index, delta, logprobs: null, finish_reason: null }));
            const reason = writer.reason(end.finishReason);
            return [
              ...last,
              {
                ...chunk({ index, delta: {}, logprobs: null, finish_reason: reason }),
                ...factsReport(end.told),
                timings: timingsOf([end]),
              },
            ];
          },
          usage: (usage) => ({
            ...envelope,
            object: "chat.completion.chunk",
            choices: [],
            usage,
          }),
        },
      });
    }
    const results = await collectChoices(request);
    const ends = results.map(({ end }) => end);
    return c.json({
      ...envelope,
      object: "chat.completion",
      choices: results.map(({ steps, end }, index) => {
        const { text, logprobs, engram } = partsOf(steps, { body, tokenizer });
        const writer = new ChatAnswer({ hasTools });
        return {
          index,
          message: messageOf([...writer.push(text), ...writer.end()]),
          logprobs,
          finish_reason: writer.reason(end.finishReason),
          ...factsReport(end.told, engram),
        };
      }),
      usage: usageOf(ends, body.n ?? 1),
      timings: timingsOf(ends, body.n ?? 1),
    });
  });
}

async function choicesOf(
  body: ChatRequest,
  { serving, reads, signal }: { serving: Serving; reads: Reads; signal: AbortSignal },
): Promise<ChoicesRequest> {
  const { contextSize: most } = serving.scheduler;
  if (body.logprobs !== true && (body.top_logprobs ?? 0) > 0)
    throw new ApiError("top_logprobs: needs logprobs true", { param: "top_logprobs" });
  if (body.max_tokens != null && body.max_completion_tokens != null)
    throw new ApiError("max_tokens: expected either max_tokens or max_completion_tokens", {
      param: "max_tokens",
    });
  const promptIds = await chatIds(serving, {
    messages: body.messages,
    tools: body.tools,
    most,
    signal,
  });
  const grammar = await responseGrammar(serving, body, signal);
  const maxTokens = body.max_completion_tokens ?? body.max_tokens ?? most;
  const topLogProbs = body.logprobs === true ? (body.top_logprobs ?? 0) : undefined;
  return {
    serving,
    reads,
    fields: body,
    prompts: [{ promptIds, maxTokens, topLogProbs, grammar }],
    signal,
  };
}

function partsOf(
  steps: readonly TextStep[],
  { body, tokenizer }: { body: ChatRequest; tokenizer: Tokenizer },
) {
  const texts = steps.filter((step) => step.kind === "text");
  const content = texts.flatMap(({ token }) =>
    body.logprobs !== true || token?.logProbs === undefined
      ? []
      : [logProbOf(tokenizer, token.logProbs)],
  );
  return {
    text: texts.map(({ text }) => text).join(""),
    logprobs: content.length > 0 ? { content, refusal: null } : null,
    engram: engramReport(
      steps.map((step) => (step.kind === "prompt" ? step.step.trace : step.token?.trace)),
      body.engram,
    ),
  };
}

function logProbOf(tokenizer: Tokenizer, { top, ...token }: TokenLogProbs): object {
  const entry = ({ id, logProb }: TokenLogProb): object => ({
    token: tokenText(tokenizer, id),
    logprob: logProb,
    bytes: Array.from(tokenizer.tokenBytes(id)),
  });
  return { ...entry(token), top_logprobs: top.map(entry) };
}
