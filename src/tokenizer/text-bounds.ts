/** Where texts begin and end, by the end-of-document token or by the post-processor of a tokenizer.json. */
import { FormatError } from "../errors.ts";
import { asObject, type Json, type TokenizerFile } from "./tokenizer-file.ts";
import type { TextBounds } from "./tokenizer.ts";

/** What is not given is the end-of-document token. */
export function boundsOf(
  eosTokenId: number | undefined,
  given: Partial<TextBounds> = {},
): TextBounds {
  const ends = eosTokenId === undefined ? [] : [eosTokenId];
  return { startIds: ends, stopIds: ends, bosTokenId: eosTokenId, ...given };
}

/**
 * The ids that the file's post-processor puts before a single text. What it puts behind one is left out: a text that
 * is to be continued has no end yet. Throws `FormatError` for ids that the file has no token for.
 */
export function templateStart({ json, tokens }: TokenizerFile): number[] {
  const checked = (id: unknown): number => {
    if (typeof id === "number" && tokens[id] !== undefined) return id;
    throw new FormatError(
      `Expected the post-processor of tokenizer.json to name ids of its vocabulary, got ${JSON.stringify(id)}.`,
    );
  };
  for (const step of stepsOf(asObject(json["post_processor"]))) {
    if (step["type"] === "TemplateProcessing") {
      const special = asObject(step["special_tokens"]) ?? {};
      const parts = listOf(step["single"]).map((part) =>
        asObject(asObject(part)?.["SpecialToken"]),
      );
      const end = parts.indexOf(undefined);
      return parts
        .slice(0, end === -1 ? parts.length : end)
        .flatMap((part) => asObject(special[String(part!["id"])])?.["ids"] ?? [undefined])
        .map(checked);
    }
    if (step["type"] === "BertProcessing" || step["type"] === "RobertaProcessing")
      return [checked(listOf(step["cls"])[1])];
  }
  return [];
}

function stepsOf(processor: Json | undefined): Json[] {
  if (processor?.["type"] !== "Sequence") return processor === undefined ? [] : [processor];
  return listOf(processor["processors"]).map((step) => asObject(step) ?? {});
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : [];
}
