/**
 * A document of a task -> the requests to the model: contexts with continuations to score, a text to score whole, or a
 * context to continue. Texts are joined as in lm-evaluation-harness 0.4. Knows texts; not tokens.
 */
import { FormatError, RequestError } from "../../errors.ts";
import { fewShotSampler } from "./few-shot.ts";
import type { TaskFile } from "./task-type.ts";
import { type Fields, textOf } from "./template.ts";

export type ItemRequest =
  | {
      readonly kind: "choices";
      readonly pairs: readonly { readonly context: string; readonly continuation: string }[];
    }
  | { readonly kind: "rolling"; readonly text: string }
  | { readonly kind: "generate"; readonly context: string };

/** One document in the form in which it is asked and judged. */
export interface Item {
  readonly id: number;
  readonly fields: Fields;
  readonly request: ItemRequest;
  /** The right answer: an index or several of `choices`, or texts of which any is right. */
  readonly target: Target;
  readonly choices: readonly string[];
}

export type Target =
  | { readonly kind: "index"; readonly indices: readonly number[] }
  | { readonly kind: "text"; readonly texts: readonly string[] };

export interface ItemsOptions {
  readonly file: TaskFile;
  readonly name: string;
  readonly documents: readonly Fields[];
  /** Documents with answers, for examples; the task's own if there are none. */
  readonly fewShotDocuments: readonly Fields[] | undefined;
  readonly numFewShot: number;
  readonly limit: number | undefined;
}

export function* itemsOf(options: ItemsOptions): Generator<Item> {
  const { file, name, documents, fewShotDocuments, numFewShot, limit = documents.length } = options;
  const examplesFor = fewShotSampler({
    sampler: file.fewshot_sampler,
    count: numFewShot,
    pool: fewShotDocuments ?? documents,
    isOwnPool: fewShotDocuments === undefined,
    task: name,
  });
  for (const [id, fields] of documents.slice(0, limit).entries()) {
    try {
      yield itemOf(file, { id, fields, examples: examplesFor(fields) });
    } catch (error) {
      if (error instanceof RequestError)
        throw new FormatError(`${name}, document ${id}: ${error.message}`, { cause: error });
      throw error;
    }
  }
}

function itemOf(
  file: TaskFile,
  { id, fields, examples }: { id: number; fields: Fields; examples: readonly Fields[] },
): Item {
  const choices = choicesOf(file, fields);
  const before =
    file.description.text(fields) + examples.map((example) => exampleText(file, example)).join("");
  const item = { id, fields, choices };
  if (file.output_type === "loglikelihood_rolling") {
    const text = file.doc_to_target.text(fields);
    return { ...item, target: textTarget(text), request: { kind: "rolling", text } };
  }
  if (file.output_type === "multiple_choice") {
    const { question, answer } = asked(file, fields);
    const pairs = file.multiple_inputs
      ? choices.map((choice) => ({
          context: before + choice,
          continuation: file.target_delimiter + textOf(answer),
        }))
      : choices.map((choice) => ({
          context: before + textOf(question),
          continuation: file.target_delimiter + choice,
        }));
    const gold = file.multiple_inputs ? question : answer;
    return { ...item, target: indexTarget(gold, choices), request: { kind: "choices", pairs } };
  }
  const context = before + file.doc_to_text.text(fields);
  const answer = file.doc_to_target.value(fields);
  if (file.output_type === "loglikelihood") {
    const continuation = textOf(answer);
    const pairs = [{ context, continuation }];
    return { ...item, target: textTarget(continuation), request: { kind: "choices", pairs } };
  }
  return { ...item, target: textTarget(answer), request: { kind: "generate", context } };
}

/** The values of `doc_to_text` and `doc_to_target`. With multiple inputs, the first is the index of the answer. */
function asked(file: TaskFile, fields: Fields): { question: unknown; answer: unknown } {
  return { question: file.doc_to_text.value(fields), answer: file.doc_to_target.value(fields) };
}

function choicesOf(file: TaskFile, fields: Fields): readonly string[] {
  const { doc_to_choice: given } = file;
  if (given === undefined) return [];
  const values = "value" in given ? given.value(fields) : given.map((one) => one.text(fields));
  if (!Array.isArray(values) || values.length === 0 || values.length > 1000)
    throw new RequestError("doc_to_choice: expected a list of 1 to 1000 choices");
  return values.map(textOf);
}

/** A document with its answer, as an example. */
function exampleText(file: TaskFile, fields: Fields): string {
  const choices = choicesOf(file, fields);
  const { question, answer } = asked(file, fields);
  const text = file.multiple_inputs ? choices[indexIn(question, choices)]! : textOf(question);
  const solution =
    file.output_type === "multiple_choice" && !file.multiple_inputs
      ? choices[indexTarget(answer, choices).indices[0]!]!
      : textOf(Array.isArray(answer) ? answer[0] : answer);
  const answered = solution === "" ? text : text + file.target_delimiter + solution;
  return answered + file.fewshot_delimiter;
}

function textTarget(value: unknown): Target {
  const texts = Array.isArray(value) ? value.map(textOf) : [textOf(value)];
  if (texts.length === 0) throw new RequestError("doc_to_target: expected a text, or some of them");
  return { kind: "text", texts };
}

function indexTarget(value: unknown, choices: readonly string[]): Target & { kind: "index" } {
  const values = Array.isArray(value) ? value : [value];
  if (values.length === 0) throw new RequestError("doc_to_target: expected a choice");
  return { kind: "index", indices: values.map((one) => indexIn(one, choices)) };
}

/** The index of a choice that is given as a number, in digits, or by its text. */
function indexIn(value: unknown, choices: readonly string[]): number {
  const isPlace = typeof value === "number" || (typeof value === "string" && /^\d+$/.test(value));
  const at = isPlace ? Number(value) : choices.indexOf(textOf(value));
  if (!Number.isInteger(at) || at < 0 || at >= choices.length)
    throw new RequestError(
      `the answer ${JSON.stringify(value)} is neither one of the choices nor a place among ${choices.length}`,
    );
  return at;
}
