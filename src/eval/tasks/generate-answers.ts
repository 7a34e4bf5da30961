/**
 * Greedy continuations of many contexts up to stop strings, several at a time. Knows ids and texts; not tasks.
 */
import { StopStrings } from "../../stop-strings.ts";
import { createSampler, type LanguageModel, Scheduler } from "../../inference/index.ts";
import type { Model } from "../../opened-model.ts";

export interface GenerateAnswersOptions {
  readonly tokenizer: Model["tokenizer"];
  /** Factor on what the memory adds. */
  readonly scale: number;
  readonly until: readonly string[];
  readonly maxTokens: number;
  readonly context: number;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Texts generated at the same time. */
const parallel = 4;

/** The answer to each of `prompts`, without the stop string that ended it. */
export async function generateAnswers(
  model: LanguageModel,
  prompts: readonly Int32Array[],
  options: GenerateAnswersOptions,
): Promise<string[]> {
  const { onProgress, signal, context } = options;
  const scheduler = new Scheduler(model, { parallel, contextSize: context });
  const answers: string[] = Array(prompts.length);
  let next = 0;
  let done = 0;
  const work = async (): Promise<void> => {
    while (next < prompts.length) {
      const at = next++;
      signal?.throwIfAborted();
      answers[at] = await answer(scheduler, Array.from(prompts[at]!), options);
      onProgress?.(++done, prompts.length);
    }
  };
  try {
    await Promise.all(Array.from({ length: parallel }, work));
  } finally {
    // After a failure, no other one begins.
    next = prompts.length;
    await scheduler.close();
  }
  return answers;
}

async function answer(
  scheduler: Scheduler,
  promptIds: readonly number[],
  { tokenizer, scale, until, maxTokens, signal }: GenerateAnswersOptions,
): Promise<string> {
  const steps = scheduler.submit({
    promptIds,
    maxTokens,
    sampler: createSampler({ temperature: 0 }),
    stopIds: tokenizer.bounds.stopIds,
    scale,
    ...(signal && { signal }),
  });
  const decoder = tokenizer.stream({ skipSpecial: true, after: promptIds });
  const stopper = new StopStrings(until);
  let text = "";
  for await (const step of steps) {
    if (step.kind !== "token" || step.isStop) continue;
    text += stopper.push(decoder.push(step.id));
    if (stopper.found) break;
  }
  return text + stopper.push(decoder.end()) + stopper.end();
}
