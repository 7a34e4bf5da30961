/**
 * One generation as text: turns generated tokens into pieces of text, stops at stop strings, and counts tokens. A piece
 * is final when it is yielded. Does not know whether answers are streamed, or what they look like.
 */
import { StopStrings } from "../stop-strings.ts";
import {
  type Constraint,
  createSampler,
  type FinishReason,
  type GenerationRequest,
  type Places,
  type PromptStep,
  type TokenStep,
} from "../inference/index.ts";
import { ApiError } from "./api-error.ts";
import type { EngramOptions, SamplingFields } from "./protocol.ts";
import type { Reads } from "./scopes.ts";
import type { Serving } from "./serving.ts";
import { type FactsTold, factsTold, wantsFacts } from "./facts-told.ts";
import { startInText } from "./token-text.ts";

export interface TextRequest {
  readonly promptIds: readonly number[];
  readonly maxTokens: number;
  readonly fields: SamplingFields;
  readonly reads: Reads;
  /** Index among the `n` texts of a prompt. Each text has its own seed. */
  readonly choice: number;
  readonly topLogProbs?: number | undefined;
  readonly promptLogProbs?: boolean;
  /** Makes what restricts a text. */
  readonly grammar?: (() => Constraint) | undefined;
  readonly signal: AbortSignal;
  /** The places that the request has reserved in the queue. */
  readonly places: Places;
}

export type TextStep =
  | { readonly kind: "prompt"; readonly step: PromptStep }
  | {
      readonly kind: "text";
      /** Text that has become final. May be "". */
      readonly text: string;
      /** Where the token's text begins in the answer, in UTF-16 units. For log-probabilities. */
      readonly offset: number;
      /** Absent for the text that was held back until the end. */
      readonly token?: TokenStep;
    };

export interface TextEnd {
  readonly finishReason: FinishReason;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly completionTokens: number;
  /** Milliseconds for reading the prompt, and from the first generated token to the last. */
  readonly promptTime: number;
  readonly writeTime: number;
  readonly told: FactsTold;
}

export type TextGeneration = AsyncGenerator<TextStep, TextEnd>;

/** Queues the request immediately, and throws if it is refused. The text comes from the iterator. */
export function startText(serving: Serving, request: TextRequest): TextGeneration {
  const { scheduler, tallies, model } = serving;
  const { fields, promptIds, maxTokens, places } = request;
  // What an answer says of facts has the chances of its tokens.
  const topLogProbs = request.topLogProbs ?? (wantsFacts(fields.engram) ? 0 : undefined);
  const arrival = performance.now();
  const generation = places.submit({
    promptIds,
    // If more is asked for than fits, the answer ends with finish_reason "length".
    maxTokens: Math.min(maxTokens, scheduler.contextSize),
    ...samplingOf(serving, request),
    ...memoryOf(serving, fields.engram),
    memory: request.reads.memory,
    partition: request.reads.partition,
    ...(topLogProbs !== undefined && { topLogProbs }),
    promptLogProbs: request.promptLogProbs ?? false,
    constraint: request.grammar?.(),
    signal: request.signal,
  });
  return text();

  async function* text(): TextGeneration {
    const decoder = model.tokenizer.stream({ skipSpecial: true, after: promptIds });
    const stopper = new StopStrings(stopsOf(fields));
    let completionTokens = 0;
    let cachedTokens = 0;
    let promptTime = 0;
    let offset = 0;
    let first = arrival;
    let last = arrival;
    let reason: FinishReason | undefined;
    const ids: number[] = [...promptIds];
    const logProbs: number[] = [];
    let isRead = false;
    try {
      while (reason === undefined && !stopper.found) {
        const { done, value } = await generation.next();
        if (done === true) {
          reason = value;
          break;
        }
        if (value.kind === "prompt") {
          isRead = true;
          tallies.promptTokens.add(promptIds.length);
          tallies.queue.observe((value.startTime - arrival) / 1000);
          tallies.prefill.observe((value.time - value.startTime) / 1000);
          cachedTokens = value.cachedTokens;
          promptTime = value.time - value.startTime;
          yield { kind: "prompt", step: value };
          continue;
        }
        completionTokens++;
        ids.push(value.id);
        if (value.logProbs !== undefined) logProbs.push(value.logProbs.logProb);
        tallies.generationTokens.add(1);
        const histogram = completionTokens === 1 ? tallies.firstToken : tallies.interToken;
        histogram.observe((value.time - last) / 1000);
        if (completionTokens === 1) first = value.time;
        last = value.time;
        const piece = value.isStop ? "" : decoder.push(value.id);
        const start =
          value.logProbs === undefined
            ? offset
            : startInText(model.tokenizer, { id: value.id, piece, offset });
        // Nothing ends a text before `min_tokens`.
        const isEarly = completionTokens <= (fields.min_tokens ?? 0);
        const certain = isEarly ? piece : stopper.push(piece);
        yield { kind: "text", text: certain, offset: start, token: value };
        offset += piece.length;
      }
      const rest = stopper.push(decoder.end()) + stopper.end();
      if (rest !== "") yield { kind: "text", text: rest, offset };
      const finishReason = stopper.found ? "stop" : reason!;
      tallies.finished.add(1, finishReason);
      tallies.request.observe((performance.now() - arrival) / 1000);
      tallies.promptLength.observe(promptIds.length);
      tallies.generationLength.observe(completionTokens);
      if (completionTokens > 0) tallies.decode.observe((last - first) / 1000);
      return {
        finishReason,
        promptTokens: promptIds.length,
        cachedTokens,
        completionTokens,
        promptTime,
        writeTime: last - first,
        told: await factsTold(fields.engram, {
          ids,
          from: promptIds.length,
          logProbs,
          memory: request.reads.memory,
          tokenizer: model.tokenizer,
          factsOf: (scope) => model.facts([scope]),
        }),
      };
    } finally {
      // Texts that were aborted count as read as well; texts without the memory do not.
      if (isRead && fields.engram?.enabled !== false) await see(serving, ids);
      await generation.return("stop");
      // Scored first, then counted; of several answers to one prompt the first.
      if (isRead && request.choice === 0) await request.reads.learn?.(ids);
    }
  }
}

/** Never rejects: what is known of n-grams is no part of an answer. */
async function see({ inspector, model, report }: Serving, ids: readonly number[]): Promise<void> {
  try {
    (await inspector?.())?.see(ids, model.config);
  } catch (error) {
    report(error);
  }
}

export function stopsOf({ stop }: Pick<SamplingFields, "stop">): readonly string[] {
  if (stop === undefined || stop === null) return [];
  return typeof stop === "string" ? [stop] : stop;
}

function samplingOf(
  { model }: Serving,
  { fields, choice, promptIds }: TextRequest,
): Pick<GenerationRequest, "sampler" | "stopIds" | "minTokens"> {
  const { bounds, vocabSize } = model.tokenizer;
  const bias = Object.entries(fields.logit_bias ?? {}).map(
    ([id, value]) => [Number(id), value] as const,
  );
  for (const [id] of bias)
    if (id >= vocabSize)
      throw new ApiError(`logit_bias: token ${id} is outside the vocabulary 0..${vocabSize - 1}`, {
        param: "logit_bias",
      });
  const stopIds = fields.stop_token_ids ?? [];
  const wrong = stopIds.find((id) => id >= vocabSize);
  if (wrong !== undefined)
    throw new ApiError(
      `stop_token_ids: token ${wrong} is outside the vocabulary 0..${vocabSize - 1}`,
      { param: "stop_token_ids" },
    );
  // What the model's author asks for is the default, as vLLM has it.
  const { sampling } = model;
  const topK = fields.top_k ?? sampling.topK ?? 0;
  return {
    sampler: createSampler({
      temperature: fields.temperature ?? sampling.temperature ?? 1,
      topP: fields.top_p ?? sampling.topP ?? 1,
      topK: topK === -1 ? 0 : topK,
      minP: fields.min_p ?? sampling.minP ?? 0,
      repetitionPenalty: fields.repetition_penalty ?? sampling.repetitionPenalty ?? 1,
      presencePenalty: fields.presence_penalty ?? 0,
      frequencyPenalty: fields.frequency_penalty ?? 0,
      logitBias: new Map(bias),
      promptLength: promptIds.length,
      seed: seedFor(fields.seed, choice),
    }),
    stopIds: fields.ignore_eos === true ? stopIds : [...bounds.stopIds, ...stopIds],
    minTokens: fields.min_tokens ?? 0,
  };
}

/** The seed of a choice. The first choice gets the request's seed, so it equals the answer to a request with n = 1. */
function seedFor(seed: number | null | undefined, choice: number): number {
  if (seed === undefined || seed === null) return crypto.getRandomValues(new Uint32Array(1))[0]!;
  const shifted = seed + choice;
  return Number.isSafeInteger(shifted) ? shifted : seed - choice;
}

function memoryOf(
  { model }: Serving,
  engram: EngramOptions | null | undefined,
): Pick<GenerationRequest, "scale" | "trace"> {
  if (engram === undefined || engram === null) return {};
  const traced = engram.return.some((one) => one === "gates" || one === "rows");
  // Facts need no memory of the model's own.
  const isDefault =
    engram.scopes === undefined && engram.packs === undefined && engram.learn === undefined;
  const wantsOther = isDefault && engram.return.length === 0;
  const wantsMemory = engram.enabled && ((engram.scale !== 0 && wantsOther) || traced);
  if (wantsMemory && !model.hasMemory)
    throw new ApiError("this model has no memory; send engram.enabled false, or no engram", {
      param: "engram",
      code: "no_memory",
    });
  return { scale: engram.enabled ? engram.scale : 0, trace: traced };
}
