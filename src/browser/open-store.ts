/** The store of what a model is taught in a page. Loaded with the first fact; knows no address. */
import { FormatError } from "../errors.ts";
import { FactStore, WholeFileLog } from "../facts/index.ts";
import type { LanguageModel } from "../inference/index.ts";
import { markOf } from "../teaching/index.ts";
import type { KeptFacts } from "./page-facts.ts";

/** Without a file nothing is kept. Throws `FormatError`, with what a visitor can do, for one that cannot be read. */
export async function openStore(
  language: LanguageModel,
  kept: KeptFacts | undefined,
): Promise<FactStore> {
  const numIds = language.config.vocabSize;
  const log = kept && new WholeFileLog(kept.file, { fingerprint: kept.fingerprint, numIds });
  try {
    const store = new FactStore({ log, records: (await log?.read()) ?? [] });
    const { hiddenSize: width, numLayers } = language.config;
    store.reader = { mark: markOf(language), width, numLayers };
    return store;
  } catch (cause) {
    throw new FormatError(`${(cause as Error).message}; "Remove what was kept" begins anew`, {
      cause,
    });
  }
}
