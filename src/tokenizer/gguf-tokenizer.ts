/**
 * The vocabulary in a GGUF file's settings -> the text of the tokenizer.json that it was made from, as far as it tells:
 * byte-level BPE ("gpt2") and SentencePiece's BPE with byte fallback ("llama"). Every setting of the tokenizer is read,
 * or changes no id, or is refused by name. Knows no files.
 */
import { FormatError, InvalidConfigError } from "../errors.ts";
import { ggufPretokenizer } from "./gguf-splits.ts";
import { checkedFile, checkTokenLength, type Json, type TokenizerFile } from "./tokenizer-file.ts";

/** Settings by their names. */
export type GgufSettings = ReadonlyMap<string, unknown>;

/** Under "tokenizer.ggml.". */
const readKeys: readonly string[] = [
  ..."model pre tokens scores token_type merges".split(" "),
  ..."bos_token_id eos_token_id unknown_token_id".split(" "),
  ..."add_bos_token add_eos_token add_space_prefix".split(" "),
];

/** They name tokens that nobody inserts here, or speak of other kinds of models. */
const neutralKeys: readonly string[] = [
  ..."padding_token_id separator_token_id seperator_token_id cls_token_id mask_token_id".split(" "),
  ..."eot_token_id eom_token_id fim_pre_token_id fim_suf_token_id fim_mid_token_id".split(" "),
  ..."fim_pad_token_id fim_rep_token_id fim_sep_token_id prefix_token_id suffix_token_id".split(
    " ",
  ),
  ..."middle_token_id token_type_count add_sep_token remove_extra_whitespaces".split(" "),
];

/** `llama_token_type` of llama.h. */
const types = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

/** Throws `FormatError` for settings that contradict each other, `InvalidConfigError` for those not supported. */
export function ggufTokenizerJson(settings: GgufSettings): string {
  const { steps, vocab } = partsOf(settings);
  // An object with a property for each token would take longer than all the rest.
  const entries = [...vocab].map(([token, id]) => `${JSON.stringify(token)}:${id}`);
  const text = JSON.stringify(steps);
  return text.replace('"vocab":null', () => `"vocab":{${entries.join(",")}}`);
}

/**
 * What `readTokenizerFile` makes of that text, without the text: a vocabulary of 50,000 is read five times as fast. Undefined
 * where all of the text is needed (SentencePiece's kind). Throws as `ggufTokenizerJson` does.
 */
export function ggufTokenizerFile(settings: GgufSettings): TokenizerFile | undefined {
  const { steps, vocab, isByteLevel } = partsOf(settings);
  return isByteLevel ? checkedFile(steps, () => vocab) : undefined;
}

interface Parts {
  /** The contents of tokenizer.json, with `vocab` in the place of "vocab": null. */
  readonly steps: Json;
  readonly vocab: Map<string, number>;
  readonly isByteLevel: boolean;
}

function partsOf(settings: GgufSettings): Parts {
  const prefix = "tokenizer.ggml.";
  for (const key of settings.keys())
    if (key.startsWith(prefix) && ![...readKeys, ...neutralKeys].includes(key.slice(prefix.length)))
      throw new InvalidConfigError(
        `the setting "${key}" (${String(settings.get(key)).slice(0, 80)}) is not known here; without it texts could be cut into other tokens`,
      );
  const setting = (name: string): unknown => settings.get(prefix + name);
  const vocabulary = readVocabulary(setting);
  const model = setting("model");
  const isByteLevel = model === "gpt2";
  if (isByteLevel) {
    const steps = { ...common(vocabulary), ...byteLevel(vocabulary) };
    return { steps, vocab: vocabulary.idOf, isByteLevel };
  }
  if (model === "llama") {
    const { vocab, ...steps } = sentencePiece(vocabulary);
    return { steps: { ...common(vocabulary), ...steps }, vocab, isByteLevel };
  }
  throw new InvalidConfigError(
    `tokenizer.ggml.model: ${JSON.stringify(model)} is no kind of vocabulary that is read here; those are "gpt2" (byte-level BPE) and "llama" (SentencePiece)`,
  );
}

interface Vocabulary {
  readonly setting: (name: string) => unknown;
  readonly tokens: readonly string[];
  readonly typeOf: (id: number) => number;
  /** Those that may come of text: not special, not unused. Ids by text. */
  readonly idOf: Map<string, number>;
}

function readVocabulary(setting: (name: string) => unknown): Vocabulary {
  const tokens = setting("tokens");
  if (!isTexts(tokens) || tokens.length === 0)
    throw new FormatError("tokenizer.ggml.tokens should be texts, there are none");
  const given = setting("token_type");
  if (given !== undefined && !(given instanceof Int32Array && given.length === tokens.length))
    throw new FormatError(
      `tokenizer.ggml.token_type should be ${tokens.length} whole numbers, one a token`,
    );
  const typeOf = (id: number): number => given?.[id] ?? types.normal;
  const idOf = new Map<string, number>();
  for (let id = 0; id < tokens.length; id++) {
    const token = tokens[id]!;
    checkTokenLength(token);
    if (isAdded(typeOf(id)) || typeOf(id) === types.unused) continue;
    const before = idOf.get(token);
    if (before !== undefined)
      throw new FormatError(
        `tokenizer.ggml.tokens has ${JSON.stringify(token)} twice, as ${before} and ${id}`,
      );
    idOf.set(token, id);
  }
  return { setting, tokens, typeOf, idOf };
}

/** Found in a text as a whole, before it is cut. */
function isAdded(type: number): boolean {
  return type === types.unknown || type === types.control || type === types.userDefined;
}

/** What does not depend on the kind of vocabulary. */
function common({ setting, tokens, typeOf }: Vocabulary): object {
  const added = Array.from(tokens.keys()).filter((id) => isAdded(typeOf(id)) && tokens[id] !== "");
  const ends = (flag: string, id: string, isDefault: boolean): string[] => {
    if (!(readFlag(setting, flag) ?? isDefault)) return [];
    const token = tokens[setting(id) as number];
    if (token === undefined)
      throw new FormatError(`tokenizer.ggml.${flag} is true, but tokenizer.ggml.${id} is no token`);
    return [token];
  };
  // As llama.cpp has it where the file does not say.
  const startsByDefault = setting("model") === "llama" || isLlama3(setting("pre"));
  const begin = ends("add_bos_token", "bos_token_id", startsByDefault);
  const end = ends("add_eos_token", "eos_token_id", false);
  const special = (id: string): object => ({ SpecialToken: { id, type_id: 0 } });
  const around = [...new Set([...begin, ...end])];
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: added.map((id) => ({
      id,
      content: tokens[id],
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: typeOf(id) !== types.userDefined,
    })),
    post_processor:
      around.length === 0
        ? null
        : {
            type: "TemplateProcessing",
            single: [
              ...begin.map(special),
              { Sequence: { id: "A", type_id: 0 } },
              ...end.map(special),
            ],
            pair: [
              ...begin.map(special),
              { Sequence: { id: "A", type_id: 0 } },
              { Sequence: { id: "B", type_id: 1 } },
              ...end.map(special),
            ],
            special_tokens: Object.fromEntries(
              around.map((token) => [
                token,
                { id: token, ids: [tokens.indexOf(token)], tokens: [token] },
              ]),
            ),
          },
  };
}

function isLlama3(pre: unknown): boolean {
  return pre !== undefined && ggufPretokenizer(pre) === ggufPretokenizer("llama-bpe");
}

function byteLevel({ setting }: Vocabulary): object {
  const { splits, ignoreMerges = false, unicodeForm } = ggufPretokenizer(setting("pre"));
  const merges = setting("merges");
  if (!isTexts(merges))
    throw new FormatError("tokenizer.ggml.merges should be texts, there are none");
  const step = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false };
  return {
    normalizer: unicodeForm === undefined ? null : { type: unicodeForm },
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [
        ...splits!.map((pattern) => ({
          type: "Split",
          pattern: { Regex: pattern },
          behavior: "Isolated",
          invert: false,
        })),
        step,
      ],
    },
    decoder: step,
    model: {
      type: "BPE",
      unk_token: null,
      ignore_merges: ignoreMerges,
      vocab: null,
      merges,
    },
  };
}

/** What SentencePiece writes for a space. */
const SPACE = "\u2581";

function sentencePiece(vocabulary: Vocabulary): {
  readonly vocab: Map<string, number>;
  readonly [step: string]: unknown;
} {
  const { setting, tokens, typeOf, idOf } = vocabulary;
  const unknown =
    setting("unknown_token_id") ?? tokens.findIndex((_, id) => typeOf(id) === types.unknown);
  const unknownToken = tokens[unknown as number];
  const hasPrefix = readFlag(setting, "add_space_prefix") ?? true;
  const hasBytes = Array.from({ length: 256 }, (_, byte) => byte).every((byte) =>
    idOf.has(`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`),
  );
  const replace = (from: string, to: string): object => {
    return { type: "Replace", pattern: { String: from }, content: to };
  };
  // The library counts the unknown token among those of the model.
  const vocab = new Map(idOf);
  if (unknownToken !== undefined) vocab.set(unknownToken, unknown as number);
  return {
    vocab,
    normalizer: {
      type: "Sequence",
      normalizers: [
        ...(hasPrefix ? [{ type: "Prepend", prepend: SPACE }] : []),
        replace(" ", SPACE),
      ],
    },
    pre_tokenizer: null,
    decoder: {
      type: "Sequence",
      decoders: [
        replace(SPACE, " "),
        { type: "ByteFallback" },
        { type: "Fuse" },
        ...(hasPrefix ? [{ type: "Strip", content: " ", start: 1, stop: 0 }] : []),
      ],
    },
    model: {
      type: "BPE",
      unk_token: unknownToken ?? null,
      fuse_unk: true,
      byte_fallback: hasBytes,
      vocab: null,
      merges: mergesByScore(vocabulary),
    },
  };
}

/** Characters looked up for merges: each token is cut everywhere. A vocabulary of 262,144 takes 20 million. */
const MAX_LOOKED_UP = 2 ** 28;

/**
 * Any two neighbours that are a token together may merge, the pair of the highest score first. As BPE's merges: every
 * way to cut each token in two, in the order of the tokens' scores.
 */
function mergesByScore({ setting, tokens, typeOf, idOf }: Vocabulary): [string, string][] {
  const scores = setting("scores");
  if (!(scores instanceof Float32Array && scores.length === tokens.length))
    throw new FormatError(`tokenizer.ggml.scores should be ${tokens.length} numbers, one a token`);
  const merges: { left: string; right: string; score: number }[] = [];
  let lookedUp = 0;
  for (const [token, id] of idOf) {
    if (typeOf(id) !== types.normal) continue;
    lookedUp += token.length ** 2;
    if (lookedUp > MAX_LOOKED_UP)
      throw new FormatError("tokenizer.ggml.tokens has too many long tokens; is the file damaged?");
    for (let cut = 1; cut < token.length; cut++) {
      const [left, right] = [token.slice(0, cut), token.slice(cut)];
      if (idOf.has(left) && idOf.has(right)) merges.push({ left, right, score: scores[id]! });
    }
  }
  return merges.toSorted((a, b) => b.score - a.score).map(({ left, right }) => [left, right]);
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === "string");
}

function readFlag(setting: (name: string) => unknown, name: string): boolean | undefined {
  const value = setting(name);
  if (value === undefined || typeof value === "boolean") return value;
  throw new FormatError(`tokenizer.ggml.${name} should be true or false, got ${String(value)}`);
}
