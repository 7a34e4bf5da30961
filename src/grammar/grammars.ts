/**
 * Grammars -> constraints of texts, by two workers: one tries grammars that nobody has seen, and is stopped where one takes
 * too long or breaks it; the other knows only those that passed, and answers between two tokens. Knows no request.
 */
import { RequestError } from "../errors.ts";
import type { Constraint } from "../inference/index.ts";
import { spellBytes, type Tokenizer } from "../tokenizer/index.ts";
import { type StartWorker, StoppableWorker } from "../worker/index.ts";
import type { AllowTask, Grammar, GrammarVocabulary } from "./grammar-task.ts";

/** Milliseconds. A schema of ten properties takes 500 with 49,152 tokens, most of it for the vocabulary. */
const compileLimit = 10_000;
/** A step takes 1 ms; after a restart the vocabulary and the grammar come first. */
const stepLimit = 10_000;
/** Characters of a grammar. */
const longest = 2 ** 16;
const mostKnown = 256;

/** `close` it to end its threads. */
export class Grammars {
  readonly #startWorker: StartWorker;
  readonly #tokenizer: Tokenizer;
  #vocabulary: GrammarVocabulary | undefined;
  #trial: StoppableWorker | undefined;
  #steps: StoppableWorker | undefined;
  /** Grammars that passed, the oldest first. */
  readonly #known = new Set<string>();
  #numTexts = 0;

  constructor(tokenizer: Tokenizer, startWorker: StartWorker) {
    this.#tokenizer = tokenizer;
    this.#startWorker = startWorker;
  }

  /**
   * Tries a grammar; what it resolves to makes a constraint for each text that is to follow it. Throws `RequestError` for
   * a grammar that is none, or that takes too long.
   */
  async prepare(grammar: Grammar, signal?: AbortSignal): Promise<() => Constraint> {
    const key = JSON.stringify(grammar);
    if (key.length > longest)
      throw new RequestError(
        `a grammar of ${key.length} characters is longer than ${longest}; send a shorter schema`,
      );
    if (!this.#known.has(key)) {
      this.#trial ??= this.#worker();
      try {
        await this.#trial.run("compile", grammar, {
          limit: compileLimit,
          tooSlow: "the schema was not compiled",
          signal,
        });
      } catch (error) {
        // What broke off in the middle has left its thread in any state.
        this.#trial.close();
        this.#trial = undefined;
        throw error;
      }
      if (this.#known.size >= mostKnown) this.#known.delete([...this.#known][0]!);
      this.#known.add(key);
    }
    return () => this.#constraint(grammar);
  }

  close(): void {
    this.#trial?.close();
    this.#steps?.close();
  }

  #constraint(grammar: Grammar): Constraint {
    const text = this.#numTexts++;
    this.#steps ??= this.#worker();
    const steps = this.#steps;
    return {
      async allowed(ids) {
        const input: AllowTask = { grammar, text, ids };
        const options = { limit: stepLimit, tooSlow: "the grammar's next tokens were not found" };
        return (await steps.run("allow", input, options)) as Int32Array;
      },
    };
  }

  #worker(): StoppableWorker {
    const input = (this.#vocabulary ??= vocabularyOf(this.#tokenizer));
    return new StoppableWorker(this.#startWorker, {
      first: { task: "setVocabulary", input },
      maxWaiting: 1024,
    });
  }
}

/** Special tokens are no text, so no grammar has them; those that end a text come when a grammar is at its end. */
function vocabularyOf(tokenizer: Tokenizer): GrammarVocabulary {
  const { vocabSize, specialTokens, bounds } = tokenizer;
  const special = new Set(specialTokens.values());
  return {
    spelled: Array.from({ length: vocabSize }, (_, id) =>
      special.has(id) ? "" : spellBytes(tokenizer.tokenBytes(id)),
    ),
    stopIds: bounds.stopIds,
  };
}
