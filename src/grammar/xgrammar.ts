/**
 * Types of what is used of XGrammar (@mlc-ai/web-xgrammar 0.1.27, arXiv 2411.15100). Its own declarations describe an ES
 * module, which its file is not.
 */
export interface Xgrammar {
  readonly TokenizerInfo: {
    createTokenizerInfo(
      vocabulary: readonly string[],
      kind: "byte_level",
      prependSpace: boolean,
      vocabSize: number,
      stopIds: readonly number[],
    ): Promise<Owned>;
  };
  readonly GrammarCompiler: {
    createGrammarCompiler(tokenizer: Owned, cacheEnabled: boolean): Promise<GrammarCompiler>;
  };
  readonly GrammarMatcher: {
    createGrammarMatcher(grammar: CompiledGrammar): Promise<GrammarMatcher>;
  };
}

interface Owned {
  dispose(): void;
}

export type CompiledGrammar = Owned;

export interface GrammarCompiler {
  compileJSONSchema(
    schema: string,
    anyWhitespace: boolean,
    indent: undefined,
    separators: undefined,
    strict: boolean,
    maxWhitespace: number,
  ): Promise<CompiledGrammar>;
  compileStructuralTag(tag: object): Promise<CompiledGrammar>;
}

export interface GrammarMatcher extends Owned {
  acceptToken(id: number): boolean;
  /** One bit for each id, the lowest first. */
  getNextTokenBitmask(): Promise<Int32Array>;
}
