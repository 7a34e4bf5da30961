/**
 * The parts of @huggingface/tokenizers that are used here, with types. The package's own
 * declarations re-export through paths without extensions, which `nodenext` resolution cannot
 * follow, so its names would arrive as `any` or not at all. It is loaded where a vocabulary needs it, which most do not.
 * Knows nothing of our own types.
 */

/** A tokenizer built from the parsed contents of a tokenizer.json, and the parts it applies to a text in turn. */
export interface LibraryTokenizer {
  /** With added tokens as it finds them, which is not as Rust does (`added-tokens.ts`). */
  encode(text: string, options: { add_special_tokens: boolean }): { ids: (number | undefined)[] };
  readonly normalizer: ((text: string) => string) | null;
  /** `section_index` is 0 for the part of a text that begins where the text begins. */
  readonly pre_tokenizer: ((text: string, options: { section_index: number }) => string[]) | null;
  readonly model: ((pieces: string[]) => string[]) & {
    readonly tokens_to_ids: ReadonlyMap<string, number>;
    readonly unk_token_id?: number;
  };
  decode(
    ids: number[],
    options: { skip_special_tokens: boolean; clean_up_tokenization_spaces: boolean },
  ): string;
}

interface LibrarySplit {
  /** The Oniguruma pattern translated for JavaScript, with the flags `gu`. */
  readonly pattern: RegExp | null;
}

export interface LibraryModule {
  Tokenizer: new (json: object, config: object) => LibraryTokenizer;
  SplitPreTokenizer: new (config: {
    type: "Split";
    pattern: { Regex: string };
    behavior: "Isolated";
    invert: boolean;
  }) => LibrarySplit;
}

export async function loadLibrary(): Promise<LibraryModule> {
  return (await import("@huggingface/tokenizers")) as unknown as LibraryModule;
}

export async function createLibraryTokenizer(json: object): Promise<LibraryTokenizer> {
  return new (await loadLibrary()).Tokenizer(json, {});
}

export async function translatePattern(pattern: string): Promise<RegExp | null> {
  return new (await loadLibrary()).SplitPreTokenizer({
    type: "Split",
    pattern: { Regex: pattern },
    behavior: "Isolated",
    invert: false,
  }).pattern;
}
