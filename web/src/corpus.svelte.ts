/**
 * The corpus that this tab gave to have rows looked up in: kept by the server under an id that only this tab was
 * told, and what it says of rows.
 */
import type { CorpusReport, RowReport } from "../../src/inspect/report.ts";
import { ApiFailure, getJson, isAbort, postJson } from "./api.ts";

export type GivenCorpus = CorpusReport & { readonly id: string };

/** sessionStorage: the id outlives a reload, and goes with the tab. */
const idName = "engram.corpus";

class Corpus {
  /** Undefined while it is not known, null if there is none. */
  report: GivenCorpus | null | undefined = $state.raw();
  failure: Error | undefined = $state.raw();
  isBusy: boolean = $state(false);

  #asked = false;
  #given = 0;
  readonly #rows = new Map<string, Promise<readonly RowReport[]>>();

  /** Asks once whether the server still has what this tab gave it. */
  async load(): Promise<void> {
    if (this.#asked) return;
    this.#asked = true;
    const id = sessionStorage.getItem(idName);
    if (id === null) return this.#take(null);
    try {
      const query = new URLSearchParams({ id }).toString();
      const { corpus } = await getJson<{ corpus: GivenCorpus }>(`engram/corpus?${query}`);
      if (this.#given === 0) this.#take(corpus);
    } catch (error) {
      if (this.#given > 0) return;
      if (isGone(error)) return this.#take(null);
      this.#asked = false;
      this.failure = error as Error;
    }
  }

  /** Of several that are given in a row, the last counts. */
  async give({ name, text }: { name: string; text: string }): Promise<void> {
    const turn = ++this.#given;
    this.isBusy = true;
    this.failure = undefined;
    try {
      const body = { name, text };
      const { corpus } = await postJson<{ corpus: GivenCorpus }>("engram/corpus", body);
      if (turn === this.#given) this.#take(corpus);
    } catch (error) {
      if (turn === this.#given) this.failure = error as Error;
    } finally {
      if (turn === this.#given) this.isBusy = false;
    }
  }

  /** What falls on rows of a layer; empty without a corpus. What was asked before is at hand. */
  async rows(layer: number, rows: readonly number[]): Promise<readonly RowReport[]> {
    const id = this.report?.id;
    if (id === undefined) return [];
    const key = `${layer}:${rows.join()}`;
    let found = this.#rows.get(key);
    if (found === undefined) {
      const body = { corpus: id, layer, rows };
      found = postJson<{ rows: readonly RowReport[] }>("engram/rows", body).then(
        (answer) => answer.rows,
      );
      this.#rows.set(key, found);
    }
    try {
      return await found;
    } catch (error) {
      if (this.report?.id === id) {
        this.#rows.delete(key);
        if (isGone(error)) this.#take(null);
        if (!isAbort(error)) this.failure = error as Error;
      }
      return [];
    }
  }

  #take(corpus: GivenCorpus | null): void {
    if (corpus === null) sessionStorage.removeItem(idName);
    else sessionStorage.setItem(idName, corpus.id);
    this.report = corpus;
    this.#rows.clear();
  }
}

/** Started anew, or in want of room, a server no longer has it. */
function isGone(error: unknown): boolean {
  return error instanceof ApiFailure && error.code === "unknown_corpus";
}

export const corpus: Corpus = new Corpus();
