/**
 * The language of prompts in task files: text with `{{field | filter}}` in it. It names fields and applies filters
 * from a closed list; there are no loops, conditions or calls of anything else. Knows records; not tasks or models.
 *
 * A subset of what the harness writes in Jinja: `{{question | trim}}`, `{{choices.text[0]}}`,
 * `{{text | split(" ") | slice(0, -1) | join(" ")}}`.
 */
import { FormatError, RequestError } from "../../errors.ts";
import { isRecord, shown } from "../../json-values.ts";
import { pythonStrip } from "./python-text.ts";

/** One document of a benchmark: fields by name, with their original values. */
export type Fields = Readonly<Record<string, unknown>>;

export interface Template {
  /** The template's value for this document. If it is a single `{{...}}`, the value keeps its type. */
  value(fields: Fields): unknown;
  /** The same as text. */
  text(fields: Fields): string;
}

/** The most characters of a template, and of its result. */
const maxSource = 1 << 16;
const maxText = 1 << 24;

/** Throws `FormatError` for what is not in the language. */
export function parseTemplate(source: string): Template {
  if (source.length > maxSource)
    throw new FormatError(
      `a template of ${source.length} characters; at most ${maxSource} are allowed`,
    );
  const parts: (string | Expression)[] = [];
  let at = 0;
  for (let open; (open = source.indexOf("{{", at)) >= 0;) {
    const close = source.indexOf("}}", open);
    if (close < 0) throw new FormatError(`"{{" without "}}" in the template ${shown(source)}`);
    if (open > at) parts.push(source.slice(at, open));
    parts.push(parseExpression(source.slice(open + 2, close)));
    at = close + 2;
  }
  if (at < source.length) parts.push(source.slice(at));
  const text = (fields: Fields): string => {
    const pieces = parts.map((part) => (typeof part === "string" ? part : textOf(part(fields))));
    return joined(pieces, "");
  };
  const [only] = parts;
  return { text, value: parts.length === 1 && typeof only === "function" ? only : text };
}

type Expression = (fields: Fields) => unknown;
type Filter = (value: unknown, ...given: unknown[]) => unknown;

const onTexts =
  (change: (text: string, ...given: string[]) => unknown): Filter =>
  (value, ...given) =>
    change(textOf(value), ...given.map(textOf));

/** All filters, with their number of arguments. */
const filters: Readonly<Record<string, readonly [least: number, most: number, filter: Filter]>> = {
  trim: [0, 0, onTexts(pythonStrip)],
  lower: [0, 0, onTexts((text) => text.toLowerCase())],
  upper: [0, 0, onTexts((text) => text.toUpperCase())],
  capitalize: [
    0,
    0,
    onTexts((text) => text.slice(0, 1).toUpperCase() + text.slice(1).toLowerCase()),
  ],
  replace: [
    2,
    2,
    onTexts((text, from, to) => (from === "" ? text : joined(text.split(from!), to!))),
  ],
  before: [1, 1, onTexts((text, mark) => textAround(text, mark!)[0])],
  after: [1, 1, onTexts((text, mark) => textAround(text, mark!)[1])],
  split: [1, 1, onTexts((text, separator) => text.split(separator))],
  join: [1, 1, (value, separator) => joined(listOf(value).map(textOf), textOf(separator))],
  first: [0, 0, (value) => itemOf(value, 0)],
  last: [0, 0, (value) => itemOf(value, -1)],
  slice: [1, 2, (value, from, to) => sliceOf(value, from, to)],
  index: [1, 1, (value, wanted) => indexIn(listOf(value), wanted)],
};

/** `path`, or `path | name(argument, ...)` any number of times. */
function parseExpression(source: string): Expression {
  const words = wordsOf(source);
  let at = 0;
  const next = (): string | undefined => words[at++];
  let expression = operand(next(), source);
  while (at < words.length) {
    const bar = next();
    const name = next();
    const entry =
      bar === "|" && name !== undefined && Object.hasOwn(filters, name) ? filters[name] : undefined;
    if (entry === undefined)
      throw new FormatError(
        `in {{${source}}}: expected "|" and one of ${Object.keys(filters).join(", ")}; got "${[bar, name].join(" ")}"`,
      );
    const given: Expression[] = [];
    if (words[at] === "(") {
      next();
      while (words[at] !== ")") {
        if (given.length > 0 && next() !== ",")
          throw new FormatError(`in {{${source}}}: expected "," or ")" after an argument`);
        given.push(operand(next(), source));
      }
      next();
    }
    const [least, most, filter] = entry;
    if (given.length < least || given.length > most)
      throw new FormatError(
        `in {{${source}}}: ${name} takes ${least === most ? least : `${least} to ${most}`} arguments, got ${given.length}`,
      );
    const inner = expression;
    expression = (fields) => filter(inner(fields), ...given.map((one) => one(fields)));
  }
  return expression;
}

/** A path such as `choices.text[0]`, a text in quotes, or a whole number. */
function operand(word: string | undefined, source: string): Expression {
  if (word === undefined || /^[|(),]$/.test(word))
    throw new FormatError(
      `in {{${source}}}: expected a field, a text in quotes or a number, got ${word ?? "the end"}`,
    );
  if (/^["']/.test(word)) {
    const text = word.slice(1, -1).replaceAll("\\n", "\n");
    return () => text;
  }
  if (/^-?\d+$/.test(word)) return () => Number(word);
  const keys = [...word.matchAll(/[^.[\]]+/g)].map(([key]) => key);
  return (fields) => {
    let value: unknown = fields;
    for (const key of keys) {
      if (Array.isArray(value)) value = itemOf(value, Number(key));
      else if (isRecord(value) && Object.hasOwn(value, key)) value = value[key];
      else
        throw new RequestError(
          `{{${word}}}: there is no "${key}" here; there are ${Object.keys(Object(value)).slice(0, 12).join(", ") || "no fields"}`,
        );
    }
    return value;
  };
}

function wordsOf(source: string): string[] {
  const word = /\s*("[^"]*"|'[^']*'|-?\d+|[A-Za-z_][\w]*(?:\.\w+|\[\d+\])*|[|(),])\s*/y;
  const words: string[] = [];
  while (word.lastIndex < source.length) {
    const from = word.lastIndex;
    const [, found] = word.exec(source) ?? [];
    if (found === undefined)
      throw new FormatError(`in {{${source}}}: cannot read ${shown(source.slice(from))}`);
    words.push(found);
  }
  return words;
}

/** Refuses a result that would be too long before it is built: a template may use "replace" many times. */
function joined(texts: readonly string[], separator: string): string {
  const length = texts.reduce((sum, text) => sum + text.length + separator.length, 0);
  if (length > maxText)
    throw new RequestError(
      `a template became ${length} characters; at most ${maxText} are allowed`,
    );
  return texts.join(separator);
}

export function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  throw new RequestError(`expected a text in a template, got ${shown(value)}`);
}

function listOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new RequestError(`expected a list in a template, got ${shown(value)}`);
}

function itemOf(value: unknown, at: number): unknown {
  const list = listOf(value);
  const item = Number.isInteger(at) ? list.at(at) : undefined;
  if (item === undefined)
    throw new RequestError(`a list of ${list.length} in a template has no item ${at}`);
  return item;
}

function sliceOf(value: unknown, from: unknown, to: unknown): unknown {
  const [begin, end] = [Number(from), to === undefined ? undefined : Number(to)];
  return typeof value === "string" ? value.slice(begin, end) : listOf(value).slice(begin, end);
}

function indexIn(list: readonly unknown[], wanted: unknown): number {
  const at = list.indexOf(wanted);
  if (at < 0) throw new RequestError(`${shown(wanted)} is not in ${shown(list)}`);
  return at;
}

/** The parts before and after the first `mark`. */
function textAround(text: string, mark: string): [string, string] {
  const at = text.indexOf(mark);
  if (at < 0) throw new RequestError(`there is no ${shown(mark)} in ${shown(text)}`);
  return [text.slice(0, at), text.slice(at + mark.length)];
}
