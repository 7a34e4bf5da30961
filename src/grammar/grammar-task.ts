/**
 * The worker's tasks for grammars: compiles them against a vocabulary, and tells which tokens may follow. What it keeps is
 * only a cache: each task carries the whole grammar and all tokens. So a new thread can go on in the middle of a text.
 * Knows no request and no thread.
 */
import { InvariantError, RequestError } from "../errors.ts";
import { whenNeeded } from "../when-needed.ts";
import type { Tasks } from "../worker/index.ts";
import { enforcedSchema, looselyEnforcedSchema } from "./enforced-schema.ts";
import type { CompiledGrammar, GrammarMatcher, Xgrammar } from "./xgrammar.ts";

export interface GrammarVocabulary {
  /** Each token's bytes in GPT-2's alphabet (`spellBytes`); "" for tokens that no text may contain. */
  readonly spelled: readonly string[];
  /** Tokens that end a text. */
  readonly stopIds: readonly number[];
}

export type Grammar =
  /** A JSON text by a schema that is followed word by word. strict: objects have the properties that the schema names and no others. */
  | { readonly kind: "json"; readonly schema: string; readonly strict: boolean }
  /** Free text with calls of tools in it. */
  | { readonly kind: "tags"; readonly tag: StructuralTag };

/** Tagged parts, as XGrammar describes them. */
export interface StructuralTag {
  readonly type: "structural_tag";
  readonly format: {
    readonly type: "triggered_tags";
    readonly triggers: readonly string[];
    readonly tags: readonly ToolTag[];
    readonly at_least_one: boolean;
    readonly stop_after_first: boolean;
  };
}

export interface ToolTag {
  readonly begin: string;
  readonly end: string;
  readonly content: {
    readonly type: "json_schema";
    readonly json_schema: object;
    /** Ours: false where words of the schema that cannot be followed may be left out. */
    readonly strict: boolean;
  };
}

/** The tag with schemas that XGrammar follows. Throws `RequestError` for words of strict ones that it does not. */
function enforcedTag({ format, ...tag }: StructuralTag): object {
  const tags = format.tags.map(
    ({ content: { json_schema: schema, strict, ...content }, ...one }) => ({
      ...one,
      content: {
        ...content,
        json_schema: strict ? enforcedSchema(schema) : looselyEnforcedSchema(schema),
      },
    }),
  );
  return { ...tag, format: { ...format, tags } };
}

export interface AllowTask {
  readonly grammar: Grammar;
  /** Which text; unique among those of a program. */
  readonly text: number;
  /** All tokens of it so far. */
  readonly ids: readonly number[];
}

/**
 * Most white space between two parts of JSON, in characters, as in llama.cpp's grammars. Without a limit, a weak model
 * writes nothing else.
 */
const maxWhitespace = 20;
const mostGrammars = 32;
const mostTexts = 256;

interface TextState {
  readonly matcher: GrammarMatcher;
  /** Number of tokens that the matcher has accepted. */
  length: number;
}

/** `load` opens the library. `reasonOf` returns the reason of its error. */
export function grammarTasks(
  load: () => Promise<Xgrammar>,
  reasonOf: (error: unknown) => string,
): Tasks {
  let vocabulary: GrammarVocabulary | undefined;
  const grammars = new Recent<string, CompiledGrammar>(mostGrammars, (one) => one.dispose());
  const texts = new Recent<number, TextState>(mostTexts, ({ matcher }) => matcher.dispose());

  const opened = whenNeeded(async () => {
    if (vocabulary === undefined)
      throw new InvariantError("asked for a grammar before a vocabulary");
    const { spelled, stopIds } = vocabulary;
    const xgrammar = await load();
    const tokenizer = await xgrammar.TokenizerInfo.createTokenizerInfo(
      spelled,
      "byte_level",
      false,
      spelled.length,
      stopIds,
    );
    return {
      xgrammar,
      compiler: await xgrammar.GrammarCompiler.createGrammarCompiler(tokenizer, false),
    };
  });

  async function compiled(grammar: Grammar): Promise<CompiledGrammar> {
    const { compiler } = await opened();
    return grammars.get(JSON.stringify(grammar), () =>
      grammar.kind === "json"
        ? compiler.compileJSONSchema(
            JSON.stringify(enforcedSchema(JSON.parse(grammar.schema) as object)),
            true,
            undefined,
            undefined,
            grammar.strict,
            maxWhitespace,
          )
        : compiler.compileStructuralTag(enforcedTag(grammar.tag)),
    );
  }

  async function compile(grammar: Grammar): Promise<CompiledGrammar> {
    try {
      return await compiled(grammar);
    } catch (error) {
      if (error instanceof InvariantError || error instanceof RequestError) throw error;
      throw new RequestError(reasonOf(error), { cause: error });
    }
  }

  return {
    setVocabulary(given: GrammarVocabulary) {
      vocabulary = given;
    },
    async compile(grammar: Grammar) {
      await compile(grammar);
    },
    async allow({ grammar, text, ids }: AllowTask): Promise<Int32Array> {
      const built = await compile(grammar);
      const { xgrammar } = await opened();
      const state = await texts.get(text, async () => ({
        matcher: await xgrammar.GrammarMatcher.createGrammarMatcher(built),
        length: 0,
      }));
      for (; state.length < ids.length; state.length++)
        if (!state.matcher.acceptToken(ids[state.length]!))
          throw new InvariantError(`token ${ids[state.length]} was not among the allowed ones`);
      return (await state.matcher.getNextTokenBitmask()).slice();
    },
  };
}

/** A cache of the values used last. */
class Recent<Key, Value> {
  readonly #most: number;
  readonly #drop: (value: Value) => void;
  readonly #values = new Map<Key, Value>();

  constructor(most: number, drop: (value: Value) => void) {
    this.#most = most;
    this.#drop = drop;
  }

  async get(key: Key, make: () => Promise<Value>): Promise<Value> {
    const value = this.#values.get(key) ?? (await make());
    this.#values.delete(key);
    this.#values.set(key, value);
    if (this.#values.size > this.#most) {
      const [oldest] = this.#values.keys();
      this.#drop(this.#values.get(oldest!)!);
      this.#values.delete(oldest!);
    }
    return value;
  }
}
