/**
 * A text read by a model under a view, token by token. Knows streams and models; not what the views are for.
 */
import { type LanguageModel, Scorer, type TokenStream, type View } from "../../inference/index.ts";

/** The nats of a text, token by token. */
export interface ScoredText {
  /** Where in the stream each scored token is; ascending. */
  readonly at: Uint32Array;
  /** The first token of the stream that was in view when it was predicted. */
  readonly windowStarts: Uint32Array;
  readonly nats: Float32Array;
  /** Mean gate of each Engram layer over these tokens. */
  readonly gates: ReadonlyMap<number, number>;
  /** Mean weight of the backbone and of each distribution of the memory; empty if it has none. */
  readonly mixture: readonly number[];
}

/** Under which view a text is read: other rows, a scale, fixed gates. Default: as trained. */
export interface ScoreTextOptions {
  readonly view?: Partial<View>;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Scores every token except those that begin documents, in windows of the model's context with a stride of half. */
export async function scoreText(
  model: LanguageModel,
  stream: TokenStream,
  { view, onProgress, signal }: ScoreTextOptions = {},
): Promise<ScoredText> {
  await using scorer = await Scorer.create(model, view && { view });
  const most = stream.tokens.length;
  const at = new Uint32Array(most);
  const windowStarts = new Uint32Array(most);
  const nats = new Float32Array(most);
  let count = 0;
  const { gates, mixture } = await scorer.score(stream, {
    onToken(label, loss, windowStart) {
      at[count] = label;
      nats[count] = loss;
      windowStarts[count++] = windowStart;
    },
    ...(onProgress && { onProgress }),
    ...(signal && { signal }),
  });
  return {
    at: at.slice(0, count),
    windowStarts: windowStarts.slice(0, count),
    nats: nats.slice(0, count),
    gates,
    mixture,
  };
}
