/** The corpus that rows are looked up in, kept by the server, and what it says of rows. */
import type { CorpusReport, RowReport } from "../../src/inspect/report.ts";
import { getJson, isAbort, postJson } from "./api.ts";

class Corpus {
  /** Undefined while nobody has asked, null if there is none. */
  report: CorpusReport | null | undefined = $state.raw();
  failure: Error | undefined = $state.raw();
  isBusy: boolean = $state(false);

  #asked = false;
  readonly #rows = new Map<string, Promise<readonly RowReport[]>>();

  /** Asks once which corpus the server has. */
  async load(): Promise<void> {
    if (this.#asked) return;
    this.#asked = true;
    try {
      this.#take(await getJson("engram/corpus"));
    } catch (error) {
      this.#asked = false;
      this.failure = error as Error;
    }
  }

  async give({ name, text }: { name: string; text: string }): Promise<void> {
    this.isBusy = true;
    this.failure = undefined;
    try {
      this.#take(await postJson("engram/corpus", { name, text }));
    } catch (error) {
      this.failure = error as Error;
    } finally {
      this.isBusy = false;
    }
  }

  /** What falls on rows of a layer; empty without a corpus. What was asked before is at hand. */
  rows(layer: number, rows: readonly number[]): Promise<readonly RowReport[]> {
    const key = `${layer}:${rows.join()}`;
    let found = this.#rows.get(key);
    if (found === undefined) {
      found = this.#lookUp(layer, rows);
      this.#rows.set(key, found);
      found.catch((error: unknown) => {
        this.#rows.delete(key);
        if (!isAbort(error)) this.failure = error as Error;
      });
    }
    return found;
  }

  async #lookUp(layer: number, rows: readonly number[]): Promise<readonly RowReport[]> {
    const answer = await postJson<{ rows: readonly RowReport[] }>("engram/rows", { layer, rows });
    return answer.rows;
  }

  #take({ corpus }: { corpus: CorpusReport | null }): void {
    this.report = corpus;
    this.#rows.clear();
  }
}

export const corpus: Corpus = new Corpus();
