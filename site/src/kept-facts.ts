/**
 * What a visitor taught, as this browser keeps it: looked for when the model opens, and read where there is something. Where
 * the browser keeps nothing, what is taught is gone with the page.
 */
import { keptFacts } from "../../src/browser/index.ts";
import { Facts, StoreWhenNeeded, vocabularyBytes } from "../../src/facts/index.ts";
import type { LanguageModel } from "../../src/inference/index.ts";
import { vectorWriter } from "../../src/teaching/index.ts";
import type { Tokenizer } from "../../src/tokenizer/index.ts";

export interface FactsInPage {
  readonly facts: Facts;
  /** Whether the visitor, or another page, has taught something. */
  readonly areSome: boolean;
}

/** `language` resolves when the model at `address` is open. */
export async function factsInPage(
  address: string,
  { tokenizer, language }: { tokenizer: Tokenizer; language: () => Promise<LanguageModel> },
): Promise<FactsInPage> {
  const bytes = await new Blob([...vocabularyBytes(tokenizer)]).arrayBuffer();
  const fingerprint = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const file = await keptFacts(address, fingerprint);
  const store = new StoreWhenNeeded({
    place: file?.name,
    async open() {
      const { openStore } = await import("./open-store.ts");
      return openStore(await language(), file && { file, fingerprint });
    },
  });
  // Heard before anything is read: another page may write meanwhile.
  file?.watch(() => void store.load().catch(() => undefined));
  const areSome = (await file?.read(Infinity)) !== undefined;
  const close = (): void => file?.close();
  return { facts: new Facts(store, { tokenizer, writerFor: vectorWriter, close }), areSome };
}

/** What a model is taught that is gone with the page itself. */
export function factsInMemory(
  language: LanguageModel,
  { tokenizer }: { tokenizer: Tokenizer },
): Facts {
  const store = new StoreWhenNeeded({
    place: undefined,
    open: async () => (await import("./open-store.ts")).openStore(language),
  });
  return new Facts(store, { tokenizer, writerFor: vectorWriter });
}
