/**
 * The loop of append and sample: ids in, ids out. Stops on an end token, a length, an abort, or when
 * the caller stops asking. Knows no text.
 */
import { RequestError } from "../errors.ts";
import type { Sampler } from "./sampling.ts";
import type { Session } from "./session.ts";

/** When to stop, and how to choose. */
export interface GenerateOptions {
  readonly sampler: Sampler;
  readonly maxTokens: number;
  /** Ids that end the text; they are not yielded. */
  readonly stopIds?: readonly number[];
  readonly signal?: AbortSignal;
}

/**
 * Appends `promptIds` to the session, then yields one sampled id after another. The session holds every yielded id
 * but the last.
 */
export async function* generate(
  session: Session,
  promptIds: ArrayLike<number>,
  { sampler, maxTokens, stopIds = [], signal }: GenerateOptions,
): AsyncGenerator<number, "stop" | "length"> {
  if (!Number.isInteger(maxTokens) || maxTokens < 0)
    throw new RequestError(`maxTokens must be 0 or more, got ${maxTokens}`);
  signal?.throwIfAborted();
  if (maxTokens === 0) return "length";
  let { logits } = await session.append(promptIds);
  for (let count = 1; ; count++) {
    signal?.throwIfAborted();
    const id = sampler(logits, session.ids);
    if (stopIds.includes(id)) return "stop";
    const isLast = count >= maxTokens || session.remaining === 0;
    // Rows can be read while the caller shows the token.
    if (!isLast) session.expect([id]);
    yield id;
    if (isLast) return "length";
    ({ logits } = await session.append([id]));
  }
}
