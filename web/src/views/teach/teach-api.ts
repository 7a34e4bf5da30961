/**
 * What the page asks of the server about facts: to teach, list and erase them, and how likely an answer is after some
 * texts, with what was taught and without. Knows the shapes of answers; keeps nothing.
 */
import { type CallOptions, deleteJson, getJson, postJson } from "../../api.ts";

/** What a person wrote, as the server keeps it. */
export interface Fact {
  readonly id: string;
  readonly scope: string;
  readonly prompt: string;
  readonly completion: string;
  readonly subject?: string;
  readonly paraphrases?: readonly string[];
  readonly source?: string;
  readonly createdAt: string;
  readonly expiresAt?: string;
}

export interface FactToTeach extends Partial<Omit<Fact, "prompt">> {
  readonly prompt: string;
}

export interface TaughtVector {
  readonly chance_before: number;
  readonly chance_after: number;
  readonly status: "ok" | "weak";
  readonly layer: number;
  readonly steps: number;
}

/** A fact with what came of teaching it. */
export interface Taught extends Fact {
  readonly chance_before: number;
  readonly chance_after: number;
  readonly milliseconds: number;
  readonly keys: number;
  readonly shortest_key: number;
  readonly longest_key: number;
  readonly vector?: TaughtVector;
}

/** A key of a fact in a text: `length` tokens, of which the last is at `position`. */
export interface Key {
  readonly id: string;
  readonly scope: string;
  readonly kind: "wording" | "subject";
  readonly position: number;
  readonly length: number;
  readonly layer?: number;
}

/** A text as the model read it. */
export interface Heard {
  /** Of the answer, after what stands before it; undefined without an answer. */
  readonly chance: number | undefined;
  readonly tokens: readonly string[];
  readonly logProbs: readonly (number | null)[];
  /** Their positions count the tokens above. */
  readonly keys: readonly Key[];
}

/** Undefined scopes are the server's default; none are no facts. */
type Scopes = readonly string[] | undefined;

export async function teachFact(fact: FactToTeach, options: CallOptions): Promise<Taught> {
  return (await postJson<{ facts: Taught[] }>("engram/facts", fact, options)).facts[0]!;
}

/** All that may be read, the oldest first. */
export async function listFacts(options: CallOptions = {}): Promise<Fact[]> {
  const all: Fact[] = [];
  let after: string | undefined;
  do {
    const query = new URLSearchParams({ limit: "1000", ...(after !== undefined && { after }) });
    const page = await getJson<{ facts: Fact[]; next?: string }>(
      `engram/facts?${query.toString()}`,
      options,
    );
    all.push(...page.facts);
    after = page.next;
  } while (after !== undefined);
  return all;
}

/** One, or all of a scope. Resolves when nothing of them is left. */
export async function eraseFacts(which: { id?: string; scope: string }): Promise<void> {
  await deleteJson(`engram/facts?${new URLSearchParams(which).toString()}`);
}

interface Completions {
  readonly choices: readonly {
    readonly text: string;
    readonly logprobs?: {
      readonly tokens: readonly string[];
      readonly token_logprobs: readonly (number | null)[];
      readonly text_offset: readonly number[];
    } | null;
    readonly engram?: { readonly keys?: readonly Key[]; readonly sources?: readonly Source[] };
  }[];
  readonly usage: { readonly prompt_tokens: number };
}

/** Reads each text with the answer behind it. */
export async function readTexts(
  texts: readonly string[],
  { answer, scopes, signal }: { answer: string; scopes: Scopes } & CallOptions,
): Promise<Heard[]> {
  const whole = texts.map((text) => joined(text, answer));
  const { choices, usage } = await postJson<Completions>(
    "v1/completions",
    {
      prompt: whole,
      max_tokens: 0,
      echo: true,
      logprobs: 0,
      engram: { return: ["keys"], ...(scopes && { scopes }) },
    },
    { signal },
  );
  // Some models begin every text with a token that is not in it.
  const shown = choices.reduce((sum, { logprobs }) => sum + (logprobs?.tokens.length ?? 0), 0);
  const hidden = Math.round((usage.prompt_tokens - shown) / choices.length);
  return choices.map(({ logprobs, engram }, i) => {
    const {
      tokens = [],
      token_logprobs: logProbs = [],
      text_offset: offsets = [],
    } = logprobs ?? {};
    const ends = [...offsets.slice(1), whole[i]!.length];
    let sum = 0;
    for (const [t, end] of ends.entries()) if (end > texts[i]!.length) sum += logProbs[t] ?? 0;
    const keys = engram?.keys ?? [];
    return {
      chance: answer.trim() === "" ? undefined : Math.exp(sum),
      tokens,
      logProbs,
      keys: keys.map((key) => ({ ...key, position: key.position - hidden })),
    };
  });
}

/** A document of a pack, or a text that a scope has learned, that has some of what was written. */
export interface Source {
  readonly pack?: string;
  readonly file?: string;
  readonly scope?: string;
  readonly document: number;
  /** Tokens that stand there behind those before them. */
  readonly tokens: number;
}

/** What the model writes after a text, always taking the likeliest token, and where parts of it stand. */
export async function writeAfter(
  text: string,
  { scopes, maxTokens, signal }: { scopes: Scopes; maxTokens: number } & CallOptions,
): Promise<{ text: string; sources: readonly Source[] }> {
  const { choices } = await postJson<Completions>(
    "v1/completions",
    {
      prompt: text,
      max_tokens: maxTokens,
      temperature: 0,
      engram: { return: ["sources"], ...(scopes && { scopes }) },
    },
    { signal },
  );
  const [{ text: written, engram }] = choices as readonly [Completions["choices"][number]];
  return { text: written, sources: engram?.sources ?? [] };
}

/** As the server joins them: by a space where both would else be one word. */
export function joined(text: string, answer: string): string {
  const isOneWord =
    /[\p{L}\p{N},;:.!?)\]}"'’”»%]$/u.test(text) && /^[\p{L}\p{N}("'‘“«[{$€£#@]/u.test(answer);
  const hasSpaces = !/[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]$/u.test(
    text,
  );
  return isOneWord && hasSpaces ? `${text} ${answer}` : text + answer;
}
