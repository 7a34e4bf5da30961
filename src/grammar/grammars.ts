/**
 * Grammars -> constraints of texts, by two workers. One tries new grammars. The other knows only grammars that passed, and
 * answers between two tokens. A grammar that takes too long or fails ends the thread it was in. Knows no request.
 */
import { RequestError } from "../errors.ts";
import type { Constraint } from "../inference/index.ts";
import { spellBytes, type Tokenizer } from "../tokenizer/index.ts";
import { type StartWorker, StoppableWorker } from "../worker/index.ts";
import type { AllowTask, Grammar, GrammarVocabulary } from "./grammar-task.ts";

/** Milliseconds. A schema of ten properties takes 500 with 49,152 tokens, most of it for the vocabulary. */
const compileLimit = 10_000;
/** A step takes 1 ms. A new thread first reads the vocabulary and compiles the grammar. */
const stepLimit = 10_000;
const mostKnown = 256;
/** Characters of a grammar, with all its schemas. */
const longest = 2 ** 16;

interface Workers {
  readonly trial: StoppableWorker;
  readonly steps: StoppableWorker;
}

/** `close` it to end its threads. */
export class Grammars {
  readonly #startWorker: StartWorker;
  readonly #tokenizer: Tokenizer;
  /** Made at the first request for a grammar. */
  #workers: Workers | undefined;
  /** Grammars that passed, the oldest first. */
  readonly #known = new Set<string>();
  #numTexts = 0;

  constructor(tokenizer: Tokenizer, startWorker: StartWorker) {
    this.#tokenizer = tokenizer;
    this.#startWorker = startWorker;
  }

  /**
   * Tries a grammar. What it resolves to makes a constraint for each text that is to follow the grammar. Throws
   * `RequestError` for a grammar that is not valid, or that takes too long.
   */
  async prepare(grammar: Grammar, signal?: AbortSignal): Promise<() => Constraint> {
    const key = JSON.stringify(grammar);
    if (key.length > longest)
      throw new RequestError(
        `a grammar of ${key.length} characters is longer than ${longest}; send a shorter schema`,
      );
    const { trial, steps } = (this.#workers ??= this.#makeWorkers());
    if (!this.#known.has(key)) {
      await trial.run("compile", grammar, {
        limit: compileLimit,
        tooSlow: "the schema was not compiled",
        signal,
      });
      const [oldest] = this.#known;
      if (this.#known.size >= mostKnown) this.#known.delete(oldest!);
      this.#known.add(key);
    }
    return () => {
      const text = this.#numTexts++;
      return {
        async allowed(ids) {
          const input: AllowTask = { grammar, text, ids };
          const options = { limit: stepLimit, tooSlow: "the grammar's next tokens were not found" };
          return (await steps.run("allow", input, options)) as Int32Array;
        },
      };
    };
  }

  close(): void {
    this.#workers?.trial.close();
    this.#workers?.steps.close();
  }

  #makeWorkers(): Workers {
    const input = vocabularyOf(this.#tokenizer);
    const make = (): StoppableWorker =>
      new StoppableWorker(this.#startWorker, {
        first: { task: "setVocabulary", input },
        maxWaiting: 1024,
        endsOnError: true,
      });
    return { trial: make(), steps: make() };
  }
}

/** No grammar allows special tokens, since they are not text. Those that end a text are allowed at a grammar's end. */
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
