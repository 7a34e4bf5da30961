/**
 * How GGUF files name the patterns that cut text into pieces: `tokenizer.ggml.pre`. The names are llama.cpp's
 * (src/llama-vocab.cpp), and so is what each stands for, but for normal forms, which llama.cpp leaves out and the
 * vocabularies' own tokenizer.json have.
 */
import { InvalidConfigError } from "../errors.ts";
import type { TokenizerDefinition } from "./definition.ts";
import {
  DEEPSEEK_V3_SPLITS,
  DIGIT_SPLIT,
  GPT2_SPLIT,
  LLAMA3_SPLIT,
  QWEN2_SPLIT,
} from "./pretokenize.ts";

export type GgufPretokenizer = Required<Pick<TokenizerDefinition, "splits">> &
  Pick<TokenizerDefinition, "ignoreMerges" | "unicodeForm">;

const gpt2: GgufPretokenizer = { splits: [GPT2_SPLIT] };
/** GPT-NeoX's vocabulary, which Pythia, OLMo and MPT share. */
const neox: GgufPretokenizer = { splits: [GPT2_SPLIT], unicodeForm: "NFC" };
const llama3: GgufPretokenizer = { splits: [LLAMA3_SPLIT], ignoreMerges: true };
const digits: GgufPretokenizer = { splits: [DIGIT_SPLIT, GPT2_SPLIT] };
const qwen2: GgufPretokenizer = { splits: [QWEN2_SPLIT], unicodeForm: "NFC" };

const pretokenizers: Readonly<Record<string, GgufPretokenizer>> = {
  default: {
    splits: ["[\\p{P}\\$\\+<=>\\^\\~\\|]+", GPT2_SPLIT, "\\p{N}+", "[0-9][0-9][0-9]"],
  },
  "gpt-2": gpt2,
  "phi-2": gpt2,
  olmo: neox,
  mpt: neox,
  "llama-bpe": llama3,
  llama3,
  "llama-v3": llama3,
  falcon3: llama3,
  smollm: digits,
  starcoder: digits,
  refact: digits,
  codeshell: digits,
  qwen2,
  "deepseek-r1-qwen": qwen2,
  "deepseek-v3": { splits: DEEPSEEK_V3_SPLITS },
};

/** `name` is undefined in files of before there were names: llama.cpp reads them as "default". */
export function ggufPretokenizer(name: unknown = "default"): GgufPretokenizer {
  const found = typeof name === "string" && Object.hasOwn(pretokenizers, name);
  if (found) return pretokenizers[name]!;
  throw new InvalidConfigError(
    `tokenizer.ggml.pre: ${JSON.stringify(name)} is not known here; known are ` +
      `${Object.keys(pretokenizers).join(", ")}. By other patterns texts would be cut into other tokens`,
  );
}
