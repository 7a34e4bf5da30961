/**
 * Continuations of places in a text, as a model writes them, all at once. Knows ids; not what is done with them.
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

/** Where the text is continued: the ids before a place, and as many behind it as will be written. */
export interface Place {
  readonly prompt: readonly number[];
  /** How the text itself goes on. */
  readonly own: readonly number[];
}

export interface PlacesOptions {
  readonly count: number;
  readonly promptTokens: number;
  readonly newTokens: number;
}

/** Places spread evenly over a text; fewer where its documents are too short for them. */
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
    // A document may begin where the prompt does, and nowhere else.
    if (slice.some((_, at) => at > 0 && isStart.has(from + at))) continue;
    places.push({ prompt: slice.slice(0, promptTokens), own: slice.slice(promptTokens) });
  }
  return places;
}

/** What the model writes behind each prompt: as many ids as the text itself has there. */
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
