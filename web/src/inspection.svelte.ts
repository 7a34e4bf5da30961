/**
 * The text that is looked into, how strongly the memory is used, and what the server says of both: shared
 * by the views of one text, so that what is selected in one is selected in the other. The address holds all
 * of it, so a link restores it. Knows no view.
 */
import type { InspectReport } from "../../src/inspect/report.ts";
import { isAbort, postJson } from "./api.ts";
import { formatAblation, isEmptyAblation, noAblation, parseAblation } from "./ablation.ts";
import type { Ablation } from "./ablation.ts";
import { route } from "./route.svelte.ts";

export type Inspected = InspectReport & { readonly model: string };

/** What a newcomer sees first; the sample model was trained on these plays. */
export const firstText =
  "ROMEO:\nBut, soft! what light through yonder window breaks?\nIt is the east, and Juliet is the sun.";

/** Likeliest next tokens to ask for, of each reading. */
const top = 8;
/** Milliseconds of quiet before a text that is being typed is read. */
const patience = 180;

class Inspection {
  text: string = $state("");
  /** Ids behind the text that the model wrote: text alone would be cut into tokens differently. */
  continuation: readonly number[] = $state.raw([]);
  scale: number = $state(1);
  ablate: Ablation = $state.raw(noAblation);
  /** Index of the token that is looked at; the number of tokens stands for what comes next. */
  selected: number | undefined = $state();

  report: Inspected | undefined = $state.raw();
  failure: Error | undefined = $state.raw();
  isBusy: boolean = $state(false);

  #asked: AbortController | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** What the address said when it was last read or written. */
  #noted = "";

  /** As the memory was trained: nothing scaled, nothing taken away. */
  get isAsTrained(): boolean {
    return this.scale === 1 && isEmptyAblation(this.ablate);
  }

  /** Takes over what the address says, if that is not what is shown. To be called when it changes. */
  follow(params: Readonly<Record<string, string>>): void {
    const known = keyOf(params);
    if (known === this.#noted && this.report !== undefined) return;
    if (known !== this.#noted || this.#asked === undefined) {
      this.#noted = known;
      this.text = params["t"] ?? firstText;
      this.continuation = (params["g"] ?? "").split(".").filter(Boolean).map(Number);
      const scale = Number(params["s"] ?? 1);
      this.scale = Number.isFinite(scale) ? scale : 1;
      this.ablate = parseAblation(params["a"] ?? "");
      const selected = Number(params["k"] ?? Number.NaN);
      this.selected = Number.isInteger(selected) && selected >= 0 ? selected : undefined;
      void this.ask();
    }
  }

  setText(text: string): void {
    this.text = text;
    this.continuation = [];
    this.selected = undefined;
    this.#askSoon(patience);
  }

  setContinuation(ids: readonly number[]): Promise<void> {
    this.continuation = ids;
    this.#note();
    return this.ask();
  }

  setScale(scale: number): void {
    this.scale = scale;
    this.#askSoon(30);
  }

  setAblation(ablate: Ablation): void {
    this.ablate = ablate;
    this.#askSoon(30);
  }

  reset(): void {
    this.scale = 1;
    this.setAblation(noAblation);
  }

  select(index: number | undefined): void {
    this.selected = index;
    this.#note();
  }

  #askSoon(delay: number): void {
    this.#note();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.ask(), delay);
  }

  #note(): void {
    const params = {
      t: this.text === firstText ? undefined : this.text || " ",
      g: this.continuation.join("."),
      s: this.scale === 1 ? undefined : String(this.scale),
      a: formatAblation(this.ablate),
      k: this.selected === undefined ? undefined : String(this.selected),
    };
    route.note(params);
    this.#noted = keyOf(route.place.params);
  }

  /** Reads the text anew. What was asked before and is not answered yet is given up. */
  async ask(): Promise<void> {
    clearTimeout(this.#timer);
    this.#asked?.abort();
    const controller = new AbortController();
    this.#asked = controller;
    this.isBusy = true;
    try {
      const { layers, orders, heads, rows } = this.ablate;
      const report = await postJson<Inspected>(
        "engram/inspect",
        {
          text: this.text,
          top,
          scale: this.scale,
          ablate: { layers, orders, heads, rows },
          ...(this.continuation.length > 0 && { continuation: this.continuation }),
        },
        { signal: controller.signal },
      );
      if (this.#asked !== controller) return;
      this.report = report;
      this.failure = undefined;
      if (this.selected !== undefined && this.selected > report.tokens.length)
        this.selected = undefined;
    } catch (error) {
      if (isAbort(error) || this.#asked !== controller) return;
      this.failure = error as Error;
    } finally {
      if (this.#asked === controller) this.isBusy = false;
    }
  }
}

/** The parameters that are this module's, as one text. */
function keyOf(params: Readonly<Record<string, string>>): string {
  return JSON.stringify(["t", "g", "s", "a", "k"].map((name) => params[name] ?? ""));
}

export const inspection: Inspection = new Inspection();
