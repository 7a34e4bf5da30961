/**
 * The corpus that rows are looked up in, and what it says of them: the text that the model was trained on, where the
 * model says so, or one that this tab gave. The server keeps that one under an id that only this tab was told.
 */
import type { AreaReport, CorpusReport, RowReport } from "../../src/inspect/report.ts";
import { ApiFailure, getJson, isAbort, postJson } from "./api.ts";
import { keep, keptIn } from "./kept.ts";

/** A file may be gone when it is read. */
export interface GivenText {
  readonly name: string;
  readonly text: () => Promise<string>;
}

export type GivenCorpus = CorpusReport & { readonly id: string };

/** The id of the text that the model was trained on. */
const ownId = "model";

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
    try {
      const corpus = await this.#find(keptIn("session", idName));
      if (this.#given === 0) this.#take(corpus);
    } catch (error) {
      if (this.#given > 0) return;
      this.#asked = false;
      this.failure = error as Error;
    }
  }

  /** What this tab gave, or else the model's own. */
  async #find(id: string | null): Promise<GivenCorpus | null> {
    const query = id === null ? "" : `?${new URLSearchParams({ id }).toString()}`;
    try {
      return (await getJson<{ corpus: GivenCorpus | null }>(`engram/corpus${query}`)).corpus;
    } catch (error) {
      if (id === null || !isGone(error)) throw error;
      return this.#find(null);
    }
  }

  /** The server has another model: what was known says nothing of it. */
  async reload(): Promise<void> {
    this.#take(null);
    await this.forget();
  }

  /** Goes back from a given text to the model's own. */
  forget(): Promise<void> {
    return this.#change(() => this.#find(null));
  }

  give({ name, text }: GivenText): Promise<void> {
    return this.#change(async () => {
      const body = { name, text: await text() };
      return (await postJson<{ corpus: GivenCorpus }>("engram/corpus", body)).corpus;
    });
  }

  /** Of several changes in a row, the last counts. */
  async #change(find: () => Promise<GivenCorpus | null>): Promise<void> {
    const turn = ++this.#given;
    this.isBusy = true;
    this.failure = undefined;
    try {
      const found = await find();
      if (turn === this.#given) this.#take(found);
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
        if (isGone(error)) this.#take(await this.#find(null).catch(() => null));
        if (!isAbort(error)) this.failure = error as Error;
      }
      return [];
    }
  }

  /** What falls on rows from..to-1 of one order and head; undefined without a corpus. */
  async area(layer: number, area: { from: number; to: number }): Promise<AreaReport | undefined> {
    const id = this.report?.id;
    if (id === undefined) return undefined;
    const body = { corpus: id, layer, area };
    return (await postJson<{ area: AreaReport }>("engram/rows", body)).area;
  }

  #take(corpus: GivenCorpus | null): void {
    keep("session", idName, corpus === null || corpus.id === ownId ? null : corpus.id);
    this.report = corpus;
    this.failure = undefined;
    this.#rows.clear();
  }
}

/** Started anew, or in want of room, a server no longer has it. */
function isGone(error: unknown): boolean {
  return error instanceof ApiFailure && error.code === "unknown_corpus";
}

export const corpus: Corpus = new Corpus();
