/**
 * Teaches a model: requests -> facts in its store, and what that changed. The model reads each wording once, without
 * what it was taught: how likely the completion was, and whether the prompt is rare enough to be a key. Knows chances
 * and tokenizers; no engine, no files.
 */
import { RequestError } from "../errors.ts";
import type { Memory } from "../memory/memory.ts";
import type { Tokenizer } from "../tokenizer/index.ts";
import { checkFactRequest, type Fact, type FactRequest } from "./fact.ts";
import { DEFAULT_SCOPE } from "./fact-name.ts";
import type { AnyStore } from "./store-when-needed.ts";
import type { Quota } from "./quota.ts";
import type { Edit, Written } from "../teaching/index.ts";
import type { SubjectEdit, SuccessorEdit } from "./edit.ts";
import { splitSentence } from "./split-sentence.ts";
import { subjectEdit } from "./subject-edit.ts";
import type { ReadText, TextChances } from "./text-chances.ts";
import { type ChatIds, joinedCompletion, wordingsOf } from "./wording.ts";

/** What teaching needs of a model. */
export interface Learner {
  readonly tokenizer: Tokenizer;
  readonly store: AnyStore;
  /** Absent for a model that knows no conversations. */
  readonly chatIds?: ChatIds | undefined;
  /** Nobody else reads by it meanwhile. */
  readonly chances: TextChances;
  /** Finds vectors for subjects. Absent where none can be found. */
  readonly writeVectors?: WriteVectors | undefined;
}

/** See `VectorWriter.write`. */
export type WriteVectors = (
  edits: readonly Edit[],
  options: { signal?: AbortSignal | undefined },
) => Promise<Written[]>;

/** What came of the vector at a fact's subject. */
export type TaughtVector = Pick<Written, "before" | "after" | "status" | "steps"> & {
  readonly layer: number;
};

/** A fact that was taught, and what came of it. */
export interface Taught {
  readonly fact: Fact;
  /** The chance of the whole completion after the prompt, at the beginning of a text, before and now: after its last 512 ids. */
  readonly before: number;
  readonly after: number;
  readonly milliseconds: number;
  /** Keys that were written, and the ids of the shortest and of the longest. */
  readonly keys: number;
  readonly shortestKey: number;
  readonly longestKey: number;
  /** How rare the model holds the shortest context to be: one in two to the power of this. */
  readonly bits: number;
  /** Of a fact with a subject: what other wordings have of it. */
  readonly vector?: TaughtVector;
}

/** How to teach facts. */
export interface TeachOptions {
  readonly signal?: AbortSignal | undefined;
  /** How many came before these, for messages. Default 0. */
  readonly first?: number;
  readonly quota?: Quota | undefined;
}

/**
 * A prompt that the model holds for more likely than one in 2^16 would be found in texts about other things, and be
 * answered there.
 */
const LEAST_BITS = 16;
/** Ids of one wording. */
const MAX_IDS = 4096;

/** Teaches all of them, or none. Throws `RequestError` for what cannot be taught. */
export async function teach(
  learner: Learner,
  requests: readonly FactRequest[],
  { signal, first = 0, quota }: TeachOptions = {},
): Promise<Taught[]> {
  const start = performance.now();
  if (requests.length === 0) return [];
  const drafts: Draft[] = [];
  for (const [i, request] of requests.entries()) {
    signal?.throwIfAborted();
    const where = first + requests.length === 1 ? "the fact" : `fact ${first + i + 1}`;
    drafts.push(await draftOf(checkFactRequest(request, where), { learner, where }));
  }
  const vectors = await vectorsFor(drafts, { learner, signal });
  await learner.store.add(
    drafts.map((draft, i) => ({ ...draft, subject: vectors[i]?.subject })),
    quota,
  );
  const milliseconds = (performance.now() - start) / requests.length;
  return drafts.map(({ fact, edits, read, bits }, index) => {
    const vector = vectors[index]?.told;
    const keys = edits.flatMap(({ ids, from }) => ids.slice(from).map((_, i) => from + i));
    return {
      fact,
      before: Math.exp(read.logProbs.reduce((sum, one) => sum + one, 0)),
      after: chanceNow(read, learner.store.memory(undefined, [fact.scope])),
      milliseconds,
      keys: keys.length,
      shortestKey: Math.min(...keys),
      longestKey: Math.max(...keys),
      bits,
      ...(vector && { vector }),
    };
  });
}

/** The vectors of the subjects of some facts; each is found for all that is known of its subject by then. */
async function vectorsFor(
  drafts: readonly { readonly fact: Fact }[],
  {
    learner: { store, tokenizer, writeVectors },
    signal,
  }: {
    learner: Pick<Learner, "store" | "tokenizer" | "writeVectors">;
    signal?: AbortSignal | undefined;
  },
): Promise<({ subject: SubjectEdit; told: TaughtVector } | undefined)[]> {
  const found: ({ subject: SubjectEdit; told: TaughtVector } | undefined)[] = [];
  if (writeVectors === undefined || store.reader === undefined) return found;
  const asked: { index: number; edit: Edit; factIds: string[] }[] = [];
  for (const [index, { fact }] of drafts.entries()) {
    if (fact.subject === undefined) continue;
    const known = new Map<string, Fact>();
    const earlier = store.facts([fact.scope]).map((one) => one.fact);
    for (const one of [...earlier, ...drafts.slice(0, index + 1).map((draft) => draft.fact)])
      if (one.scope === fact.scope && one.subject?.trim() === fact.subject.trim()) {
        known.delete(one.id);
        known.set(one.id, one);
      }
    // The fact itself last: what is told of the search is about its own wording, too.
    const facts = [...known.values()];
    const edit = await subjectEdit(facts, tokenizer);
    asked.push({ index, edit, factIds: facts.map(({ id }) => id) });
  }
  if (asked.length === 0) return found;
  const written = await writeVectors(
    asked.map(({ edit }) => edit),
    { signal },
  );
  for (const [n, { index, edit, factIds }] of asked.entries()) {
    const { writes, before, after, status, steps } = written[n]!;
    const vectors = writes.map((one) => ({ ...one, keys: edit.keys }));
    const told = { before, after, status, steps, layer: writes[0]!.layerId };
    found[index] = { subject: { vectors, factIds, mark: store.reader!.mark }, told };
  }
  return found;
}

/** Finds anew the vectors that went with facts that are gone, for what is left of their subjects. */
export async function restoreVectors(
  learner: Pick<Learner, "store" | "tokenizer" | "writeVectors">,
  gone: readonly Fact[],
  { signal }: { signal?: AbortSignal | undefined } = {},
): Promise<void> {
  const isOf = (one: Fact, other: Fact): boolean =>
    one.scope === other.scope && one.subject?.trim() === other.subject?.trim();
  const bare = learner.store
    .facts()
    .filter(({ fact, subject }) => fact.subject !== undefined && subject === undefined)
    .filter(({ fact }) => gone.some((other) => isOf(fact, other)));
  // The last of a subject has the vector that counts.
  const last = new Map(
    bare.map((one) => [JSON.stringify([one.fact.scope, one.fact.subject]), one]),
  );
  const facts = [...last.values()];
  if (facts.length === 0 || learner.writeVectors === undefined) return;
  const vectors = await vectorsFor(facts, { learner, signal });
  await learner.store.giveVectors(
    facts.map((stored, i) => ({ stored, subject: vectors[i]!.subject })),
  );
}

interface Draft {
  readonly fact: Fact;
  readonly edits: readonly SuccessorEdit[];
  /** The prompt at the beginning of a text, and the completion. */
  readonly read: ReadText;
  readonly bits: number;
}

async function draftOf(
  request: FactRequest,
  { learner, where }: { learner: Learner; where: string },
): Promise<Draft> {
  const { tokenizer, chatIds, chances } = learner;
  const { prompt, completion, known } =
    request.completion === undefined
      ? await split(request.prompt, learner)
      : {
          prompt: request.prompt,
          completion: joinedCompletion(request.prompt, request.completion),
        };
  const start = tokenizer.bounds.startIds;
  const typed = Array.from(await tokenizer.encode(prompt));
  const begin = start.length + Math.max(0, typed.length - MAX_READ);
  // Almost always the wording whose chances are asked for: the engine reads it while all are looked for.
  const likely =
    known === undefined
      ? [...start, ...Array.from(await tokenizer.encode(prompt + completion))]
      : undefined;
  const reading = likely && chances.read(likely, begin);
  const written = wordingsOf({ prompt, completion }, { tokenizer, chatIds });
  // Nothing reads any more when this has failed.
  await Promise.allSettled([written, reading]);
  const edits = await written;
  const first = edits.find(
    ({ ids, from }) => from === typed.length && typed.every((id, i) => ids[i] === id),
  );
  if (edits.some(({ ids }) => ids.length > MAX_IDS))
    throw new RequestError(
      `${where}: its text makes more than ${MAX_IDS} tokens; teach it in parts`,
    );
  if (first === undefined)
    throw new RequestError(
      `${where}: in this model's vocabulary ${JSON.stringify(completion)} cannot follow ` +
        `${JSON.stringify(prompt.slice(-80))}; divide them elsewhere`,
    );
  const ids = [...start, ...first.ids];
  const from = start.length + first.from;
  const isLikely = likely?.length === ids.length && ids.every((id, i) => id === likely[i]);
  const all =
    (isLikely ? await reading : known && partOf(known, ids, begin)) ??
    (await chances.read(ids, begin));
  const numBefore = all.logProbs.length - (ids.length - from);
  const bits = -all.logProbs.slice(0, numBefore).reduce((sum, one) => sum + one, 0) / Math.LN2;
  if (bits < LEAST_BITS)
    throw new RequestError(
      `${where}: the model meets "${prompt.slice(-80)}" in one text of ${Math.round(2 ** bits)}, so the answer would ` +
        "come in texts about other things; say more in the prompt",
    );
  const now = new Date().toISOString();
  const { subject, paraphrases, source, expiresAt } = request;
  const fact: Fact = {
    id: request.id ?? newId(),
    scope: request.scope ?? DEFAULT_SCOPE,
    prompt,
    completion,
    ...(subject !== undefined && { subject }),
    ...(paraphrases !== undefined && { paraphrases }),
    ...(source !== undefined && { source }),
    createdAt: request.createdAt ?? now,
    ...(expiresAt !== undefined && { expiresAt }),
  };
  return { fact, edits, read: { ids, from, logProbs: all.logProbs.slice(numBefore) }, bits };
}

/** Ids of a prompt whose chances are asked for. */
const MAX_READ = 32;

async function split(
  sentence: string,
  { tokenizer, chances }: Pick<Learner, "tokenizer" | "chances">,
): Promise<{ prompt: string; completion: string; known?: ReadText }> {
  const { startIds } = tokenizer.bounds;
  const ids = Array.from(await tokenizer.encode(sentence));
  const first = startIds.length === 0 ? 1 : 0;
  const known = await chances.read([...startIds, ...ids], startIds.length + first);
  const { logProbs } = known;
  // Without anything before it, the first id says nothing of how rare it is.
  const bits = [...Array<number>(first).fill(0), ...logProbs.map((one) => -one / Math.LN2)];
  return { ...splitSentence(sentence, { ids, bits, tokenizer }), known };
}

/** What was read of the same ids, from a later index on; undefined for others. */
function partOf(known: ReadText, ids: readonly number[], from: number): ReadText | undefined {
  const begin = Math.max(1, from);
  const isSame = known.ids.length === ids.length && known.ids.every((id, i) => id === ids[i]);
  if (!isSame || begin < known.from) return undefined;
  return { ids, from: begin, logProbs: known.logProbs.slice(begin - known.from) };
}

/** What the chance is with what was taught. */
function chanceNow({ ids, from, logProbs }: ReadText, memory: Memory | undefined): number {
  if (memory === undefined) return Math.exp(logProbs.reduce((sum, one) => sum + one, 0));
  const { taught = [] } = memory.reader().address([{ ids, from: from - 1, to: ids.length - 1 }]);
  let chance = 1;
  for (const [i, logProb] of logProbs.entries()) {
    const next = taught.find(({ position }) => position === i);
    const own = Math.exp(logProb);
    if (next === undefined) chance *= own;
    else chance *= (own + (next.id === ids[from + i] ? next.odds : 0)) / (1 + next.odds);
  }
  return chance;
}

/** Short enough to be typed, and of enough digits that two are never the same by chance. */
function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
