/**
 * What a visitor taught, as this browser keeps it: looked for when the model opens, and read where there is something. Where
 * the browser keeps nothing, what is taught is gone with the page.
 */
import { keptFacts, pageFacts } from "../../src/browser/index.ts";
import { type Facts, vocabularyBytes } from "../../src/facts/index.ts";
import type { LanguageModel } from "../../src/inference/index.ts";
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
  const facts = pageFacts({ tokenizer }, { language, kept: file && { file, fingerprint } });
  // Heard before anything is read: another page may write meanwhile.
  file?.watch(() => void facts.load().catch(() => undefined));
  const areSome = (await file?.read(Infinity)) !== undefined;
  return { facts, areSome };
}
