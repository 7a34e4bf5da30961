/**
 * What a running server was taught: the requests of `engram teach` and its kin with `--url`. The key comes from the
 * environment (ENGRAM_API_KEY): other users of a machine can see command lines. Knows paths and answers; no model.
 */
import * as z from "zod";
import { InvalidConfigError, StoreError } from "../errors.ts";
import type { Fact, FactRequest, LearnedSize } from "../facts/index.ts";
import { plainWords, sentenceOf } from "../schema-words.ts";
import type { CommandContext, CommandOption } from "./command.ts";

export const urlOption: CommandOption = {
  flags: "--url <URL>",
  description: "ask the server there, which has MODEL open; its key is ENGRAM_API_KEY",
};

/** A fact that a server was taught, and what came of it. */
export interface ServerTaught extends Fact {
  readonly chance_before: number;
  readonly chance_after: number;
  readonly milliseconds: number;
  readonly keys: number;
  readonly shortest_key: number;
  readonly longest_key: number;
  readonly prompt_bits: number;
}

export interface ServerSnapshot {
  readonly name: string;
  readonly facts: number;
}

/** What a server has erased: ids of facts, and what scopes had learned. */
export interface ForgottenNames {
  readonly facts: readonly string[];
  readonly learned: readonly LearnedSize[];
}

/** An answer is held whole. */
const maxAnswer = 2 ** 26;

/** Facts of all answers together: more than a memory of such servers holds. */
const maxFacts = 2 ** 22;
/** Facts of one answer. */
const pageSize = 1000;

/** What is read of answers. Who answers need not be such a server. */
const number = z.number();
const amounts = z.array(z.looseObject({ scope: z.string(), texts: number, tokens: number }));
const fact = z.looseObject({
  id: z.string(),
  scope: z.string(),
  prompt: z.string(),
  completion: z.string(),
  source: z.string().optional(),
});
const answers = {
  teach: z.looseObject({
    facts: z.array(
      fact.extend({
        chance_before: number,
        chance_after: number,
        milliseconds: number,
        keys: number,
        shortest_key: number,
        longest_key: number,
        prompt_bits: number,
      }),
    ),
  }),
  facts: z.looseObject({
    facts: z.array(fact),
    learned: amounts,
    has_more: z.boolean(),
    next: z.string().optional(),
  }),
  forget: z.looseObject({ forgotten: z.array(z.string()), learned: amounts }),
  snapshots: z.looseObject({
    snapshots: z.array(z.looseObject({ name: z.string(), facts: number })),
  }),
  rollback: z.looseObject({ facts: number, learned: amounts }),
};
const refusal = z.looseObject({ error: z.looseObject({ message: z.string() }) });

export class FactsClient {
  readonly url: string;
  readonly #context: Pick<CommandContext, "env" | "signal">;

  constructor(url: string, context: Pick<CommandContext, "env" | "signal">) {
    if (!/^https?:\/\//.test(url) || !URL.canParse(url))
      throw new InvalidConfigError(
        `--url: expected the address of a server, such as http://localhost:8080, got "${url.slice(0, 80)}"`,
      );
    this.url = url.replace(/\/+$/, "");
    this.#context = context;
  }

  async teach(facts: readonly FactRequest[]): Promise<readonly ServerTaught[]> {
    const answer = await this.#ask(answers.teach, ["POST", "/engram/facts"], { facts });
    return answer.facts as unknown as ServerTaught[];
  }

  async facts(
    scopes: readonly string[] | undefined,
  ): Promise<{ facts: Fact[]; learned: LearnedSize[] }> {
    const facts: Fact[] = [];
    const learned: LearnedSize[] = [];
    const seen = new Set<string>();
    for (const scope of scopes ?? [undefined])
      for (let after: string | undefined; ;) {
        const query = queryOf({ scope, after, limit: String(pageSize) });
        const page = await this.#ask(answers.facts, ["GET", `/engram/facts?${query}`]);
        facts.push(...(page.facts as unknown as Fact[]));
        if (after === undefined) learned.push(...page.learned);
        after = page.next ?? page.facts.at(-1)?.id;
        if (!page.has_more || after === undefined) break;
        const place = JSON.stringify([scope, after]);
        if (seen.has(place) || facts.length > maxFacts)
          throw new StoreError(`${this.url} answers with facts without end`);
        seen.add(place);
      }
    return { facts, learned };
  }

  async forget(which: {
    id?: string | undefined;
    scope?: string | undefined;
  }): Promise<ForgottenNames> {
    const isAll = which.id === undefined && which.scope === undefined;
    const query = queryOf({ ...which, all: isAll ? "true" : undefined });
    const gone = await this.#ask(answers.forget, ["DELETE", `/engram/facts?${query}`]);
    return { facts: gone.forgotten, learned: gone.learned };
  }

  async snapshot(name: string): Promise<readonly ServerSnapshot[]> {
    return this.#snapshots("POST", "/engram/snapshots", { name });
  }

  async removeSnapshot(name: string): Promise<readonly ServerSnapshot[]> {
    return this.#snapshots("DELETE", `/engram/snapshots/${encodeURIComponent(name)}`);
  }

  /** Returns how many facts there are now, and what scopes have learned. */
  rollback(name: string): Promise<{ facts: number; learned: readonly LearnedSize[] }> {
    const path = `/engram/snapshots/${encodeURIComponent(name)}/rollback`;
    return this.#ask(answers.rollback, ["POST", path], {});
  }

  async #snapshots(
    method: string,
    path: string,
    body?: object,
  ): Promise<readonly ServerSnapshot[]> {
    return (await this.#ask(answers.snapshots, [method, path], body)).snapshots;
  }

  async #ask<Answer>(
    schema: z.ZodType<Answer>,
    [method, path]: readonly [string, string],
    body?: object,
  ): Promise<Answer> {
    const { env, signal } = this.#context;
    const key = env["ENGRAM_API_KEY"];
    const response = await fetch(`${this.url}${path}`, {
      method,
      signal,
      // A key is for this server, and no other.
      redirect: "error",
      headers: {
        "content-type": "application/json",
        ...(key && { authorization: `Bearer ${key}` }),
      },
      ...(body && { body: JSON.stringify(body) }),
    }).catch((cause: unknown) => {
      signal.throwIfAborted();
      throw new StoreError(`${this.url} does not answer; is engram serve running there?`, {
        cause,
      });
    });
    const text = await textOf(response, this.url);
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch {
      throw new StoreError(`${this.url} answered with status ${response.status} and no JSON`);
    }
    if (response.ok) {
      const answer = z.safeParse(schema, json, { error: plainWords });
      if (answer.success) return answer.data;
      throw new StoreError(
        `${this.url} answers as no engram serve does: ${sentenceOf(answer.error).slice(0, 200)}`,
      );
    }
    const refused = refusal.safeParse(json).data?.error.message ?? `status ${response.status}`;
    const message = refused.slice(0, 1000);
    if (response.status >= 500) throw new StoreError(`${this.url}: ${message}`);
    throw new InvalidConfigError(`${this.url}: ${message}`);
  }
}

async function textOf(response: Response, url: string): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const piece of response.body ?? []) {
    text += decoder.decode(piece as Uint8Array, { stream: true });
    if (text.length > maxAnswer)
      throw new StoreError(`${url} answers with more than ${maxAnswer} bytes`);
  }
  return text + decoder.decode();
}

function queryOf(fields: Readonly<Record<string, string | undefined>>): URLSearchParams {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(fields))
    if (value !== undefined) query.set(name, value);
  return query;
}
