/**
 * The text that is looked into, how strongly the memory is used, and what the server says of both: shared
 * by the views of one text, so that what is selected in one is selected in the other. An answer keeps the question
 * that it was asked for, and is replaced or dropped with it. The address holds all of the question, so a link
 * restores it. Knows no view.
 */
import type { InspectReport } from "../../src/inspect/report.ts";
import { isAbort, postJson } from "./api.ts";
import { formatAblation, isEmptyAblation, noAblation, parseAblation } from "./ablation.ts";
import type { Ablation } from "./ablation.ts";
import { mostRaised } from "./effect.ts";
import { route } from "./route.svelte.ts";
import { serverInfo } from "./server-info.svelte.ts";

export type Inspected = InspectReport & { readonly model: string };

/** Told apart by identity: two inputs of the same words are the same only if nothing came between. */
export interface Input {
  readonly text: string;
  /** Ids behind the text that the model wrote: text alone would be cut into tokens differently. */
  readonly continuation: readonly number[];
}

/** Told apart by identity, too. */
export interface Question {
  readonly input: Input;
  readonly scale: number;
  readonly ablate: Ablation;
}

/** A report, and what it was asked for: neither is shown without the other. */
export interface Answer {
  readonly question: Question;
  readonly report: Inspected;
}

/** Likeliest next tokens to ask for, of each reading. */
const top = 8;
/** Milliseconds of quiet before a text that is being typed is read. */
const patience = 180;

class Inspection {
  question: Question = $state.raw({
    input: { text: "", continuation: [] },
    scale: 1,
    ablate: noAblation,
  });
  /** The answer to what a newcomer sees, of another visit: shown by the next `follow` that asks just that. */
  kept: Inspected | undefined;
  /** That is what `answer` is; the question is asked when something else was (`confirm`). */
  isKept: boolean = $state(false);
  /** Index of the token that is looked at; the number of tokens stands for what comes next. */
  selected: number | undefined = $state();

  /** The last that came; of the question before while the present one is being answered. */
  answer: Answer | undefined = $state.raw();
  /** Why the present question has no answer. There is none to an earlier one then, either. */
  failure: Error | undefined = $state.raw();

  #asked: AbortController | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** What the address said when it was last read or written. */
  #noted = "";

  get text(): string {
    return this.question.input.text;
  }

  get scale(): number {
    return this.question.scale;
  }

  get ablate(): Ablation {
    return this.question.ablate;
  }

  /** `answer` is the one to `question`. */
  get isCurrent(): boolean {
    return this.answer?.question === this.question;
  }

  /** Of the text that this model's training held out. */
  get examples(): readonly string[] {
    return serverInfo.props?.held_out.excerpts ?? [];
  }

  /** What a newcomer sees first. */
  get example(): string {
    return this.examples[0] ?? "";
  }

  /** The token that is looked at; before one is chosen, the one that the memory helped most. */
  get looked(): number | undefined {
    const report = this.answer?.report;
    return report && (this.selected ?? mostRaised(report) ?? report.tokens.length);
  }

  /** Takes over what the address says, if that is not what is shown. To be called when it changes. */
  follow(params: Readonly<Record<string, string>>): void {
    const known = keyOf(params);
    if (known === this.#noted) return;
    this.#noted = known;
    const scale = Number(params["s"] ?? 1);
    const selected = Number(params["k"] ?? Number.NaN);
    this.selected = Number.isInteger(selected) && selected >= 0 ? selected : undefined;
    this.#put(
      {
        input: {
          // An address has no empty parameters; one space stands for no text.
          text: params["t"] === " " ? "" : (params["t"] ?? this.example),
          continuation: (params["g"] ?? "").split(".").filter(Boolean).map(Number),
        },
        scale: Number.isFinite(scale) ? scale : 1,
        ablate: parseAblation(params["a"] ?? ""),
      },
      0,
    );
    const { kept, question } = this;
    this.kept = undefined;
    if (kept === undefined || !this.isFirst(question)) return;
    clearTimeout(this.#timer);
    this.isKept = true;
    this.answer = { question: { ...question }, report: kept };
  }

  /** What a newcomer sees. */
  isFirst(question: Question): boolean {
    const { text, continuation } = question.input;
    return text === this.example && continuation.length === 0 && isAsTrained(question);
  }

  /** Asks now what was answered by what was kept. */
  confirm(): void {
    if (this.isKept && this.#asked === undefined) void this.ask();
  }

  setText(text: string): void {
    this.selected = undefined;
    this.#change({ input: { text, continuation: [] } }, patience);
  }

  setContinuation(continuation: readonly number[]): void {
    this.#change({ input: { text: this.text, continuation } }, 0);
  }

  setScale(scale: number): void {
    this.#change({ scale }, 30);
  }

  setAblation(ablate: Ablation): void {
    this.#change({ ablate }, 30);
  }

  reset(): void {
    this.#change({ scale: 1, ablate: noAblation }, 30);
  }

  select(index: number | undefined): void {
    // A place in a text that is being replaced is no place in the next one.
    if (this.answer?.question.input !== this.question.input) return;
    this.selected = index;
    this.#note();
  }

  #change(patch: Partial<Question>, delay: number): void {
    this.#put({ ...this.question, ...patch }, delay);
    this.#note();
  }

  /** What was asked before and is not answered yet is given up. */
  #put(question: Question, delay: number): void {
    this.question = question;
    this.isKept = false;
    this.failure = undefined;
    this.#asked?.abort();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.ask(), delay);
  }

  #note(): void {
    const { input, scale, ablate } = this.question;
    route.note({
      t: input.text === this.example ? undefined : input.text || " ",
      g: input.continuation.join("."),
      s: scale === 1 ? undefined : String(scale),
      a: formatAblation(ablate),
      k: this.selected === undefined ? undefined : String(this.selected),
    });
    this.#noted = keyOf(route.place.params);
  }

  async ask(): Promise<void> {
    this.#asked?.abort();
    const controller = new AbortController();
    this.#asked = controller;
    this.failure = undefined;
    const { question } = this;
    const { input, scale, ablate } = question;
    try {
      const report = await postJson<Inspected>(
        "engram/inspect",
        {
          text: input.text,
          top,
          scale,
          ablate,
          ...(input.continuation.length > 0 && { continuation: input.continuation }),
        },
        { signal: controller.signal },
      );
      if (this.question !== question) return;
      this.answer = { question, report };
      this.isKept = false;
      if (this.selected !== undefined && this.selected > report.tokens.length)
        this.selected = undefined;
      // The server was started anew, with another model.
      if (report.model !== serverInfo.props?.model) void serverInfo.load();
    } catch (error) {
      if (isAbort(error) || this.question !== question) return;
      this.answer = undefined;
      this.isKept = false;
      this.failure = error as Error;
    }
  }
}

/** As the memory was trained: nothing scaled, nothing taken away. */
export function isAsTrained({ scale, ablate }: Question): boolean {
  return scale === 1 && isEmptyAblation(ablate);
}

/** The parameters that are this module's, as one text. */
function keyOf(params: Readonly<Record<string, string>>): string {
  return JSON.stringify(["t", "g", "s", "a", "k"].map((name) => params[name] ?? ""));
}

export const inspection: Inspection = new Inspection();
