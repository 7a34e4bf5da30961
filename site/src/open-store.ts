/** The store of what this browser keeps of facts. Knows no page. */
import { FormatError } from "../../src/errors.ts";
import { FactStore, type LogFile, WholeFileLog } from "../../src/facts/index.ts";
import type { LanguageModel } from "../../src/inference/index.ts";
import { markOf } from "../../src/teaching/index.ts";

/** Without a file nothing is kept. Throws `FormatError`, with what a visitor can do, for one that cannot be read. */
export async function openStore(
  language: LanguageModel,
  kept?: { readonly file: LogFile; readonly fingerprint: Uint8Array },
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
