/** Public names of the tokenizer: text <-> token ids. */
export type {
  DirectTokenizer,
  EncodeOptions,
  StreamDecoder,
  TextBounds,
  Tokenizer,
  Vocabulary,
} from "./tokenizer.ts";
export type { AddedToken, TokenizerDefinition, UnicodeForm } from "./definition.ts";
export { createTokenizer } from "./byte-level-tokenizer.ts";
export type { CreateTokenizerOptions } from "./byte-level-tokenizer.ts";
export { DEFAULT_SPECIAL_TOKENS, trainBpe } from "./bpe-trainer.ts";
export type { TrainBpeOptions, TrainProgress } from "./bpe-trainer.ts";
export {
  parseTokenizerDefinition,
  parseTokenizerJson,
  type ReadTokenizerOptions,
  tokenizerDigest,
  type TokenizerSource,
} from "./tokenizer-json.ts";
export { toTokenizerJson } from "./tokenizer-json-text.ts";
export {
  DEEPSEEK_V3_SPLITS,
  DEFAULT_SPLIT,
  escapeForRegex,
  GPT2_SPLIT,
  QWEN2_SPLIT,
} from "./pretokenize.ts";
export { parseSpecialTokens, parseTiktoken, parseTiktokenDefinition } from "./tiktoken.ts";
export type { TiktokenOptions } from "./tiktoken.ts";
export { ggufTokenizerFile, ggufTokenizerJson, type GgufSettings } from "./gguf-tokenizer.ts";
export { spellBytes } from "./byte-alphabet.ts";
export { tokenText } from "./token-text.ts";
export { openTokenizer, type OpenTokenizerOptions } from "./open-tokenizer.ts";
export { encodeTasks } from "./encode-task.ts";
