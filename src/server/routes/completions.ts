/**
 * `/v1/completions`: continues texts or token ids. With `echo` and `logprobs` it scores texts, which
 * lm-evaluation-harness relies on.
 */
import type { Router } from "../router.ts";
import type { TokenLogProbs } from "../../inference/index.ts";
import type { Tokenizer } from "../../tokenizer/index.ts";
import {
  type ChoicesRequest,
  collectChoices,
  streamChoices,
  timingsOf,
  usageOf,
} from "../choices.ts";
import { type EngramReport, engramReport } from "../engram-report.ts";
import { factsReport } from "../facts-told.ts";
import { type CompletionRequest } from "../protocol.ts";
import { type Prompt, promptsOf } from "../prompts.ts";
import { type Reads, readsOf } from "../scopes.ts";
import { checkModelName, type RouteContext, type Serving } from "../serving.ts";
import type { TextEnd, TextStep } from "../text-generation.ts";
import { startInText, tokenText, topByText } from "../token-text.ts";

const defaultMaxTokens = 16;

interface LogProbs {
  tokens: string[];
  token_logprobs: (number | null)[];
  top_logprobs: (Record<string, number> | null)[] | null;
  text_offset: number[];
}

export function completionRoutes(app: Router, context: RouteContext): void {
  app.post("/v1/completions", async (c) => {
    const serving = context.serving();
    const body = await context.readBody(c.req.raw, "completion");
    checkModelName(serving, body.model);
    const { signal } = c.req.raw;
    const reads = readsOf(serving, context.principal(c.req.raw), body.engram);
    const prompts = await promptsOf(body.prompt, { serving, param: "prompt", signal });
    const request = choicesOf(body, { serving, reads, prompts, signal });
    const envelope = {
      id: `cmpl-${crypto.randomUUID()}`,
      object: "text_completion",
      created: Math.floor(Date.now() / 1000),
      model: serving.name,
    };
    const writer = new ChoiceWriter(body, { serving, prompts });
    if (body.stream === true)
      return streamChoices(request, {
        context,
        shape: {
          step: (index, step) => {
            const choice = writer.step(index, step);
            return choice === undefined ? [] : [{ ...envelope, choices: [choice] }];
          },
          end: (index, end) => [
            {
              ...envelope,
              choices: [
                {
                  ...emptyChoice(index),
                  finish_reason: end.finishReason,
                  ...factsReport(end.told),
                },
              ],
              timings: timingsOf([end]),
            },
          ],
          usage: (usage) => ({ ...envelope, choices: [], usage }),
        },
      });
    const results = await collectChoices(request);
    const ends = results.map(({ end }) => end);
    return c.json({
      ...envelope,
      choices: likeliest(results, body).map((result, index) => writer.whole(index, result)),
      usage: usageOf(ends, request.fields.n ?? 1),
      timings: timingsOf(ends, request.fields.n ?? 1),
    });
  });
}

function choicesOf(
  body: CompletionRequest,
  {
    serving,
    reads,
    prompts,
    signal,
  }: { serving: Serving; reads: Reads; prompts: readonly Prompt[]; signal: AbortSignal },
): ChoicesRequest {
  const { n, best_of: runs = n } = body;
  const isChosen = (runs ?? 1) > (n ?? 1);
  const topLogProbs = body.logprobs ?? (isChosen ? 0 : undefined);
  return {
    serving,
    reads,
    fields: { ...body, n: runs },
    prompts: prompts.map(({ ids }) => ({
      promptIds: ids,
      maxTokens: body.max_tokens ?? defaultMaxTokens,
      topLogProbs,
      promptLogProbs: body.echo === true && body.logprobs != null,
    })),
    signal,
  };
}

/** For each prompt, the `n` of its `best_of` texts with the highest mean log-probability, the highest first. */
function likeliest<Result extends { readonly steps: readonly TextStep[] }>(
  results: readonly Result[],
  { n, best_of: runs }: CompletionRequest,
): readonly Result[] {
  const [kept, made] = [n ?? 1, runs ?? n ?? 1];
  if (made <= kept) return results;
  const mean = ({ steps }: Result): number => {
    const all = steps.flatMap((step) =>
      step.kind === "text" && step.token?.logProbs ? [step.token.logProbs.logProb] : [],
    );
    return all.reduce((sum, one) => sum + one, 0) / Math.max(1, all.length);
  };
  return Array.from({ length: results.length / made }, (_, prompt) =>
    results
      .slice(prompt * made, (prompt + 1) * made)
      .toSorted((a, b) => mean(b) - mean(a))
      .slice(0, kept),
  ).flat();
}

function emptyChoice(index: number): {
  index: number;
  text: string;
  logprobs: null;
  finish_reason: null;
} {
  return { index, text: "", logprobs: null, finish_reason: null };
}

interface ChoiceParts {
  readonly index: number;
  readonly text: string;
  readonly logprobs: LogProbs | null;
  readonly finish_reason: null;
  readonly engram?: EngramReport;
}

/** Writes steps of a text as `choices` of an answer. */
class ChoiceWriter {
  readonly #body: CompletionRequest;
  readonly #tokenizer: Tokenizer;
  readonly #prompts: readonly Prompt[];
  /** The text to echo for each prompt; "" without `echo`. */
  readonly #echoes: readonly string[];

  constructor(
    body: CompletionRequest,
    { serving, prompts }: { serving: Serving; prompts: readonly Prompt[] },
  ) {
    this.#body = body;
    this.#tokenizer = serving.model.tokenizer;
    this.#prompts = prompts;
    this.#echoes = prompts.map(({ ids, numHidden }) =>
      body.echo === true ? this.#tokenizer.decode(ids.slice(numHidden)) : "",
    );
  }

  /** Undefined if the step adds nothing to the answer. */
  step(index: number, step: TextStep): object | undefined {
    const choice = this.#choice(index, [step]);
    const isEmpty = choice.text === "" && choice.logprobs === null && !("engram" in choice);
    return isEmpty ? undefined : choice;
  }

  whole(index: number, { steps, end }: { steps: readonly TextStep[]; end: TextEnd }): object {
    const { engram, ...choice } = this.#choice(index, steps);
    const report = factsReport(end.told, engram);
    return { ...choice, finish_reason: end.finishReason, ...report };
  }

  #choice(index: number, steps: readonly TextStep[]): ChoiceParts {
    const of = Math.floor(index / (this.#body.n ?? 1));
    const prompt = this.#prompts[of]!;
    const echo = this.#echoes[of]!;
    let text = "";
    for (const step of steps) text += step.kind === "prompt" ? echo : step.text;
    const report = engramReport(
      steps.map((step) => (step.kind === "prompt" ? step.step.trace : step.token?.trace)),
      this.#body.engram,
    );
    return {
      ...emptyChoice(index),
      text,
      logprobs: this.#logProbs(steps, { prompt, echo }),
      ...(report && { engram: report }),
    };
  }

  #logProbs(
    steps: readonly TextStep[],
    { prompt, echo }: { prompt: Prompt; echo: string },
  ): LogProbs | null {
    // Called for each token, and most requests want no log-probabilities.
    if (this.#body.logprobs == null) return null;
    const logProbs: LogProbs = {
      tokens: [],
      token_logprobs: [],
      top_logprobs: [],
      text_offset: [],
    };
    for (const step of steps)
      if (step.kind === "prompt")
        this.#echoLogProbs(logProbs, { prompt, given: step.step.logProbs });
      else if (step.token?.logProbs !== undefined)
        this.#push(logProbs, { ...step.token.logProbs, offset: echo.length + step.offset });
    // lm-evaluation-harness expects null if no alternatives were asked for.
    if (this.#body.logprobs === 0) logProbs.top_logprobs = null;
    return logProbs.tokens.length > 0 ? logProbs : null;
  }

  #echoLogProbs(
    into: LogProbs,
    {
      prompt: { ids, numHidden },
      given,
    }: { prompt: Prompt; given: readonly (TokenLogProbs | null)[] | undefined },
  ): void {
    if (given === undefined) return;
    const decoder = this.#tokenizer.stream();
    let offset = 0;
    for (let t = numHidden; t < ids.length; t++) {
      const id = ids[t]!;
      const piece = decoder.push(id);
      const start = startInText(this.#tokenizer, { id, piece, offset });
      offset += piece.length;
      const entry = given[t];
      if (entry) this.#push(into, { ...entry, offset: start });
      else {
        into.tokens.push(tokenText(this.#tokenizer, id));
        into.token_logprobs.push(null);
        into.top_logprobs?.push(null);
        into.text_offset.push(start);
      }
    }
  }

  #push(into: LogProbs, { id, logProb, top, offset }: TokenLogProbs & { offset: number }): void {
    into.tokens.push(tokenText(this.#tokenizer, id));
    into.token_logprobs.push(logProb);
    into.top_logprobs?.push(topByText(this.#tokenizer, top));
    into.text_offset.push(offset);
  }
}
