/**
 * What a running server was taught: the requests of `engram teach` and its kin with `--url`. The key comes from the
 * environment (ENGRAM_API_KEY): other users of a machine can see command lines. Knows paths and answers; no model.
 */
import { InvalidConfigError, StoreError } from "../errors.ts";
import type { Fact, FactRequest, LearnedSize } from "../facts/index.ts";
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
/** Facts of one answer. */
const pageSize = 1000;

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
    return (await this.#ask<{ facts: ServerTaught[] }>("POST", "/engram/facts", { facts })).facts;
  }

  async facts(
    scopes: readonly string[] | undefined,
  ): Promise<{ facts: Fact[]; learned: LearnedSize[] }> {
    const facts: Fact[] = [];
    const learned: LearnedSize[] = [];
    for (const scope of scopes ?? [undefined])
      for (let after: string | undefined; ;) {
        const query = queryOf({ scope, after, limit: String(pageSize) });
        const page = await this.#ask<{ facts: Fact[]; learned: LearnedSize[]; has_more: boolean }>(
          "GET",
          `/engram/facts?${query}`,
        );
        facts.push(...page.facts);
        if (after === undefined) learned.push(...page.learned);
        after = page.facts.at(-1)?.id;
        if (!page.has_more || after === undefined) break;
      }
    return { facts, learned };
  }

  async forget(which: {
    id?: string | undefined;
    scope?: string | undefined;
  }): Promise<ForgottenNames> {
    const isAll = which.id === undefined && which.scope === undefined;
    const query = queryOf({ ...which, all: isAll ? "true" : undefined });
    const { forgotten, learned } = await this.#ask<{
      forgotten: string[];
      learned: LearnedSize[];
    }>("DELETE", `/engram/facts?${query}`);
    return { facts: forgotten, learned };
  }

  async snapshot(name: string): Promise<readonly ServerSnapshot[]> {
    return this.#snapshots("POST", "/engram/snapshots", { name });
  }

  async removeSnapshot(name: string): Promise<readonly ServerSnapshot[]> {
    return this.#snapshots("DELETE", `/engram/snapshots/${encodeURIComponent(name)}`);
  }

  /** Returns how many facts there are now, and what scopes have learned. */
  rollback(name: string): Promise<{ facts: number; learned: readonly LearnedSize[] }> {
    return this.#ask("POST", `/engram/snapshots/${encodeURIComponent(name)}/rollback`, {});
  }

  async #snapshots(
    method: string,
    path: string,
    body?: object,
  ): Promise<readonly ServerSnapshot[]> {
    return (await this.#ask<{ snapshots: ServerSnapshot[] }>(method, path, body)).snapshots;
  }

  async #ask<Answer>(method: string, path: string, body?: object): Promise<Answer> {
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
    let json: { readonly error?: { readonly message?: string } };
    try {
      json = JSON.parse(text) as typeof json;
    } catch {
      throw new StoreError(`${this.url} answered with status ${response.status} and no JSON`);
    }
    if (response.ok) return json as Answer;
    const message = String(json.error?.message ?? `status ${response.status}`).slice(0, 1000);
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
