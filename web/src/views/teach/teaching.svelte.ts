/**
 * The fact that is being written, other texts to try it on, and everything that was taught, as the views show them.
 * Asks the server anew whenever one of them changes. The address keeps what was typed, so that a link is a fact to try.
 */
import { ApiFailure, isAbort } from "../../api.ts";
import { route } from "../../route.svelte.ts";
import { type Example, examples } from "./examples.ts";
import {
  eraseFacts,
  type Fact,
  type Heard,
  listFacts,
  readTexts,
  type Source,
  type Taught,
  teachFact,
  writeAfter,
} from "./teach-api.ts";

export interface Draft {
  readonly prompt: string;
  readonly completion: string;
  /** What it is about; "" for nothing. */
  readonly subject: string;
  /** "" is the server's default. */
  readonly scope: string;
  readonly source: string;
}

/** A text read without anything that was taught, and with it. */
export interface Tried {
  readonly text: string;
  readonly before: Heard;
  readonly after: Heard;
}

export interface Written {
  readonly before: string;
  readonly after: string;
  /** Where parts of `after` stand. */
  readonly sources: readonly Source[];
}

const empty: Draft = { prompt: "", completion: "", subject: "", scope: "", source: "" };
/** Milliseconds of quiet before what is typed is read. */
const patience = 350;
/** Enough for an answer and a little more. */
const numWritten = 14;

class Teaching {
  draft: Draft = $state.raw(empty);
  /** Other texts after which the answer is tried. */
  others: readonly string[] = $state.raw([""]);
  /** The draft's own text first, then the others that are not empty. */
  tried: readonly Tried[] = $state.raw([]);
  written: Written | undefined = $state.raw();
  isReading: boolean = $state(false);
  /** Why the texts could not be read. */
  failure: Error | undefined = $state.raw();

  /** The last that was taught here. */
  taught: Taught | undefined = $state.raw();
  /** When the fact that is being taught was sent; undefined while none is. */
  since: number | undefined = $state();
  refusal: Error | undefined = $state.raw();

  /** Undefined until the server has said. The newest first. */
  facts: readonly Fact[] | undefined = $state.raw();
  /** Those that were erased in this visit, to be taught again. */
  erased: readonly Fact[] = $state.raw([]);
  listFailure: Error | undefined = $state.raw();

  #asking: AbortController | undefined;
  #sending: AbortController | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #noted = "";

  /** Takes over what the address says, if that is not what is shown. */
  follow(params: Readonly<Record<string, string>>): void {
    const known = keyOf(params);
    if (known === this.#noted) return;
    this.#noted = known;
    if (names.every((name) => params[name] === undefined)) this.#put(examples[0]!);
    else
      this.#put({
        prompt: params["after"],
        completion: params["say"],
        subject: params["of"],
        scope: params["for"],
        source: params["from"],
        others: (params["try"] ?? "").split("\n"),
      });
    this.#ask(0);
  }

  write(patch: Partial<Draft>): void {
    this.draft = { ...this.draft, ...patch };
    this.refusal = undefined;
    this.#note();
    this.#ask(patience);
  }

  tryOther(index: number, text: string): void {
    this.others = roomy(this.others.with(index, text.replaceAll("\n", " ")));
    this.#note();
    this.#ask(patience);
  }

  dropOther(index: number): void {
    this.others = roomy(this.others.filter((_, i) => i !== index && this.others[i] !== ""));
    this.#note();
    this.#ask(0);
  }

  /** Puts a fact where it can be looked at, with texts to try. */
  show(fact: Example): void {
    this.#put(fact);
    this.refusal = undefined;
    this.#note();
    this.#ask(0);
  }

  #put({ others = [], completion = "", ...given }: Example): void {
    const known = Object.entries(given).filter(([, text]) => text !== undefined);
    this.draft = { ...empty, ...Object.fromEntries(known), completion: completion.trim() };
    this.others = roomy(others.filter((text) => text !== ""));
  }

  async teach(): Promise<void> {
    const { prompt, completion, subject, scope, source } = this.draft;
    const controller = (this.#sending = new AbortController());
    this.refusal = undefined;
    this.since = performance.now();
    try {
      this.taught = await teachFact(
        {
          prompt,
          ...(completion.trim() !== "" && { completion }),
          ...(subject.trim() !== "" && { subject }),
          ...(scope !== "" && { scope }),
          ...(source.trim() !== "" && { source }),
        },
        { signal: controller.signal },
      );
      // A sentence alone was divided by the model.
      if (completion.trim() === "")
        this.draft = {
          ...this.draft,
          prompt: this.taught.prompt,
          completion: this.taught.completion.trim(),
        };
      this.#note();
      await this.refresh();
    } catch (error) {
      // What was stopped may have been taught: the list says it.
      if (isAbort(error)) await this.refresh();
      else this.refusal = error as Error;
    } finally {
      if (this.#sending === controller) this.since = undefined;
    }
  }

  /** Whether the refusal is none, but an answer that did not come. */
  get isUnsure(): boolean {
    return this.refusal instanceof ApiFailure && this.refusal.status === 0;
  }

  stop(): void {
    this.#sending?.abort();
  }

  /** The list, and what the model makes of the texts now. */
  async refresh(): Promise<void> {
    this.#ask(0);
    try {
      this.facts = (await listFacts()).toReversed();
      this.listFailure = undefined;
    } catch (error) {
      this.listFailure = error as Error;
    }
  }

  /** One fact, or with its scope's name all of a scope. */
  async erase(which: Fact | string): Promise<void> {
    const scope = typeof which === "string" ? which : which.scope;
    const gone = (this.facts ?? []).filter((fact) =>
      typeof which === "string"
        ? fact.scope === scope
        : fact.id === which.id && fact.scope === scope,
    );
    try {
      await eraseFacts(typeof which === "string" ? { scope } : { scope, id: which.id });
      this.erased = gone;
      if (gone.some(({ id }) => id === this.taught?.id)) this.taught = undefined;
      await this.refresh();
    } catch (error) {
      this.listFailure = error as Error;
    }
  }

  /** Teaches again what was erased last. */
  async restore(): Promise<void> {
    try {
      for (const fact of this.erased) await teachFact(fact, {});
      this.erased = [];
    } catch (error) {
      this.listFailure = error as Error;
    }
    await this.refresh();
  }

  #note(): void {
    const { prompt, completion, subject, scope, source } = this.draft;
    route.note({
      after: prompt,
      say: completion,
      of: subject,
      for: scope,
      from: source,
      try: this.others.filter((text) => text !== "").join("\n"),
    });
    this.#noted = keyOf(route.place.params);
  }

  #ask(delay: number): void {
    this.#asking?.abort();
    clearTimeout(this.#timer);
    this.failure = undefined;
    this.isReading = true;
    this.#timer = setTimeout(() => void this.#read(), delay);
  }

  async #read(): Promise<void> {
    const { prompt, completion: answer, scope } = this.draft;
    const { signal } = (this.#asking = new AbortController());
    const own = prompt.trim() === "" ? [] : [prompt];
    const texts = [...own, ...this.others.filter((text) => text.trim() !== "")];
    const none: readonly string[] = [];
    const scopes = scope === "" ? undefined : [scope];
    try {
      if (texts.length === 0) {
        this.tried = [];
        this.written = undefined;
        return;
      }
      const [before, after] = await Promise.all(
        [none, scopes].map((seen) => readTexts(texts, { answer, scopes: seen, signal })),
      );
      this.tried = texts.map((text, i) => ({ text, before: before![i]!, after: after![i]! }));
      this.written = undefined;
      if (own.length === 0) return;
      const [was, is] = await Promise.all(
        [none, scopes].map((seen) =>
          writeAfter(prompt, { scopes: seen, maxTokens: numWritten, signal }),
        ),
      );
      this.written = { before: was!.text, after: is!.text, sources: is!.sources };
    } catch (error) {
      if (isAbort(error)) return;
      this.tried = [];
      this.failure = error as Error;
    } finally {
      if (!signal.aborted) this.isReading = false;
    }
  }
}

const mostOthers = 12;

/** With an empty line at the end, to write the next into. */
function roomy(texts: readonly string[]): readonly string[] {
  return texts.at(-1) === "" || texts.length >= mostOthers ? texts : [...texts, ""];
}

/** The parameters that are this module's. */
const names = ["after", "say", "of", "for", "from", "try"];

function keyOf(params: Readonly<Record<string, string>>): string {
  return JSON.stringify(names.map((name) => params[name]));
}

export const teaching: Teaching = new Teaching();
