/**
 * A tokenizer as the text of Hugging Face's `tokenizer.json`, as the Rust `tokenizers` and transformers load it. Knows no
 * files, and does not read (`tokenizer-json.ts` does).
 */
import { InvalidConfigError } from "../errors.ts";
import { unspellBytes } from "./byte-alphabet.ts";
import type { TokenizerDefinition } from "./definition.ts";

/** The text of a tokenizer.json that the Rust `tokenizers` (and transformers) loads. */
export function toTokenizerJson(definition: TokenizerDefinition): string {
  const { tokens, splits, addedTokens, ignoreMerges = false, unicodeForm } = definition;
  if (splits === undefined) {
    throw new InvalidConfigError(
      "Expected a vocabulary with the patterns that cut text into pieces, this one came without; " +
        "give them as `splits`, or the written tokenizer.json would encode wrongly.",
    );
  }
  const addedIds = new Set(addedTokens.map(({ id }) => id));
  // A vocabulary may hold the key "__proto__": only an object without a prototype keeps it.
  const vocab: Record<string, number> = Object.create(null);
  for (const [id, token] of tokens.entries()) {
    // A special token in the vocabulary could be a whole piece; added_tokens alone keeps it special.
    if (token !== "" && !(ignoreMerges && addedIds.has(id))) vocab[token] = id;
  }
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true };
  return JSON.stringify(
    {
      version: "1.0",
      truncation: null,
      padding: null,
      added_tokens: addedTokens
        .toSorted((a, b) => a.id - b.id)
        .map((token) => ({
          id: token.id,
          content: token.text,
          single_word: token.singleWord ?? false,
          lstrip: token.lstrip ?? false,
          rstrip: token.rstrip ?? false,
          normalized: token.normalized ?? false,
          special: token.special,
        })),
      normalizer: unicodeForm === undefined ? null : { type: unicodeForm },
      pre_tokenizer: {
        type: "Sequence",
        pretokenizers: [
          ...splits.map((pattern) => ({
            type: "Split",
            pattern: { Regex: pattern },
            behavior: "Isolated",
            invert: false,
          })),
          { ...byteLevel, use_regex: false },
        ],
      },
      post_processor: null,
      decoder: { ...byteLevel, use_regex: false },
      model: {
        type: "BPE",
        dropout: null,
        unk_token: null,
        continuing_subword_prefix: null,
        end_of_word_suffix: null,
        fuse_unk: false,
        byte_fallback: false,
        ignore_merges: ignoreMerges,
        vocab,
        merges: spellMerges(definition),
      },
    },
    undefined,
    1,
  );
}

/** As `"left right"`, which every version of the Rust library reads; the alphabet has no space. */
function spellMerges({ tokens, merges, addedTokens }: TokenizerDefinition): string[] {
  const spelled: string[] = [];
  if (merges !== "by-id") {
    for (let i = 0; i < merges.length; i += 2) {
      spelled.push(`${tokens[merges[i] ?? -1]} ${tokens[merges[i + 1] ?? -1]}`);
    }
    return spelled;
  }
  const added = new Set(addedTokens.map(({ id }) => id));
  const ordinary = new Map<string, number>();
  for (const [id, token] of tokens.entries()) {
    if (token !== "" && !added.has(id) && unspellBytes(token) !== undefined)
      ordinary.set(token, id);
  }
  for (const [token] of ordinary) {
    for (let cut = 1; cut < token.length; cut++) {
      const left = token.slice(0, cut);
      const right = token.slice(cut);
      if (ordinary.has(left) && ordinary.has(right)) spelled.push(`${left} ${right}`);
    }
  }
  return spelled;
}
