/**
 * A model's continuations from positions of a text, generated together. Knows ids; not what they are used for.
 */
import {
  createSampler,
  type LanguageModel,
  Scheduler,
  type TokenStream,
} from "../../inference/index.ts";

export interface ContinuationOptions {
  readonly temperature: number;
  readonly seed: number;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A position where the text is continued: the ids before it, and as many ids after it as will be generated. */
export interface Place {
  readonly prompt: readonly number[];
  /** The text's own continuation. */
  readonly own: readonly number[];
}

export interface PlacesOptions {
  readonly count: number;
  readonly promptTokens: number;
  readonly newTokens: number;
}

/** Positions spread evenly over a text. Fewer if its documents are too short for them. */
export function placesIn(
  { tokens, starts }: TokenStream,
  { count, promptTokens, newTokens }: PlacesOptions,
): Place[] {
  const isStart = new Set(starts);
  const places: Place[] = [];
  const room = tokens.length - promptTokens - newTokens;
  if (room < 0) return places;
  for (let i = 0; i < count; i++) {
    const from = Math.floor((i * room) / Math.max(1, count - 1));
    const slice = Array.from(tokens.subarray(from, from + promptTokens + newTokens));
    // A document may begin at the start of the prompt, and nowhere else.
    if (slice.some((_, at) => at > 0 && isStart.has(from + at))) continue;
    places.push({ prompt: slice.slice(0, promptTokens), own: slice.slice(promptTokens) });
  }
  return places;
}

/** The model's continuation of each prompt, as long as the text's own. */
export async function continuations(
  model: LanguageModel,
  places: readonly Place[],
  { temperature, seed, onProgress, signal }: ContinuationOptions,
): Promise<number[][]> {
  await using scheduler = new Scheduler(model, { parallel: places.length });
  const total = places.reduce((sum, { own }) => sum + own.length, 0);
  let done = 0;
  const write = async ({ prompt, own }: Place, i: number): Promise<number[]> => {
    const text: number[] = [];
    const sampler = createSampler({ temperature, seed: seed + i });
    const request = { promptIds: prompt, maxTokens: own.length, sampler };
    for await (const step of scheduler.submit({ ...request, ...(signal && { signal }) })) {
      if (step.kind !== "token") continue;
      text.push(step.id);
      onProgress?.(++done, total);
    }
    return text;
  };
  // Awaited here: the scheduler is closed when this returns.
  return await Promise.all(places.map(write));
}
