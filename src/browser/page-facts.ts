/**
 * What a model is taught in a page. How that is done, and what holds it, is loaded with the first fact. Knows no file of
 * its own: whoever keeps what was taught gives one.
 */
import { Facts, type LogFile, StoreWhenNeeded } from "../facts/index.ts";
import type { LanguageModel } from "../inference/index.ts";
import type { Model } from "../opened-model.ts";
import { vectorWriter } from "../teaching/index.ts";

export interface KeptFacts {
  readonly file: LogFile;
  /** Of the vocabulary whose ids stand in it. */
  readonly fingerprint: Uint8Array;
}

/** `language` resolves when the model is open. Without `kept`, what is taught is gone with the page. */
export function pageFacts(
  { tokenizer }: Pick<Model, "tokenizer">,
  { language, kept }: { language: () => Promise<LanguageModel>; kept?: KeptFacts | undefined },
): Facts {
  const store = new StoreWhenNeeded({
    place: kept?.file.name,
    open: async () => (await import("./open-store.ts")).openStore(await language(), kept),
  });
  const close = (): void => kept?.file.close();
  return new Facts(store, { tokenizer, writerFor: vectorWriter, close });
}
