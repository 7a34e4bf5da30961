/**
 * Compares models with a reference on the same ids: the cross-entropy of each, and the mean KL divergence of its
 * next-token probabilities from those of the reference, over the full softmax. Knows ids and nats; not what makes the
 * models differ.
 */
import { DisposalStack } from "../disposal-stack.ts";
import { InvariantError } from "../errors.ts";
import { divergenceGraph } from "../model/index.ts";
import { type Binding, type Executable, type Value, zeros } from "../tensor/index.ts";
import type { LanguageModel } from "./language-model.ts";
import { type ScoredBatch, Scorer, type ScoreOptions } from "./scorer.ts";
import type { TokenStream } from "./windows.ts";

export interface Divergence {
  /** Sum of -ln p over the scored tokens. */
  readonly nats: number;
  /** Mean of KL(reference || this) over the scored tokens, in nats. */
  readonly meanKl: number;
}

export interface Comparison {
  readonly numTokens: number;
  /** Of the reference itself. */
  readonly nats: number;
  /** In the order of the candidates. */
  readonly candidates: readonly Divergence[];
}

/** Probabilities in a batch: 64 MiB for each model. */
const MAX_CHANCES = 2 ** 24;

export interface CompareOptions extends Pick<ScoreOptions, "onProgress" | "signal"> {
  readonly candidates: readonly LanguageModel[];
}

/** All models share a vocabulary, a context length and a backend. */
export async function compareModels(
  reference: LanguageModel,
  stream: TokenStream,
  { candidates, onProgress, signal }: CompareOptions,
): Promise<Comparison> {
  const { vocabSize, maxPositions: length } = reference.config;
  const batch = Math.max(1, Math.min(8, Math.floor(MAX_CHANCES / (length * vocabSize))));
  // A backend waits for runs in flight; bindings go with their executables.
  await using opened = new DisposalStack();
  const scorerOf = async (model: LanguageModel): Promise<Scorer> => {
    const scorer = await Scorer.create(model, { batch, length, probs: true });
    return opened.adopt(scorer, (one) => one.dispose());
  };
  const base = await scorerOf(reference);
  const graph = divergenceGraph(batch * length, vocabSize);
  const executable = await reference.backend.compile(graph);
  opened.adopt(executable, (one) => one.dispose());
  const sides: Side[] = [];
  for (const model of candidates)
    sides.push(sideOf(await scorerOf(model), { base, executable, stream, signal }));
  let nats = 0;
  let numTokens = 0;
  const onlyHere = { ...(onProgress && { onProgress }), ...(signal && { signal }) };
  for await (const { tokens, losses } of base.batches(stream, onlyHere)) {
    for (const { at } of tokens) nats += losses[at]!;
    numTokens += tokens.length;
    for (const side of sides) await advance(side, tokens.length);
  }
  return {
    numTokens,
    nats,
    candidates: sides.map((side) => ({ nats: side.nats, meanKl: side.kl / numTokens })),
  };
}

interface Side {
  readonly batches: AsyncGenerator<ScoredBatch>;
  readonly binding: Binding;
  readonly divergence: Value;
  nats: number;
  kl: number;
}

function sideOf(
  scorer: Scorer,
  {
    base,
    executable,
    stream,
    signal,
  }: {
    base: Scorer;
    executable: Executable;
    stream: TokenStream;
    signal: AbortSignal | undefined;
  },
): Side {
  const [p, q] = [base.probs!, scorer.probs!];
  const divergence = zeros("f32", [p.shape[0]!]);
  return {
    batches: scorer.batches(stream, signal && { signal }),
    binding: executable.bind({ p, q }, { divergence }),
    divergence,
    nats: 0,
    kl: 0,
  };
}

/** Runs the same windows through a candidate. */
async function advance(side: Side, numTokens: number): Promise<void> {
  const { value, done } = await side.batches.next();
  if (done === true || value.tokens.length !== numTokens)
    throw new InvariantError("models that are compared must score the same windows");
  await side.binding.run();
  for (const { at } of value.tokens) {
    side.nats += value.losses[at]!;
    side.kl += side.divergence.data[at]!;
  }
}
