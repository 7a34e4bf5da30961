/**
 * A fact: what a person taught, as text, so that it can be listed, moved to another model and written again. Checks what
 * comes from outside. Knows no ids and no model.
 */
import { RequestError } from "../errors.ts";
import { isRecord, shown } from "../json-values.ts";
import { isFactName } from "./fact-name.ts";

/** A fact that a model was taught. */
export interface Fact {
  readonly id: string;
  /** Whom it is for: requests choose scopes. */
  readonly scope: string;
  /** After this text … */
  readonly prompt: string;
  /** … comes this one, from its first character on. */
  readonly completion: string;
  /** What it is about, as it stands in the prompt. */
  readonly subject?: string;
  /** Other texts after which the completion comes. */
  readonly paraphrases?: readonly string[];
  /** Where it is from, for readers. */
  readonly source?: string;
  /** ISO 8601, as `Date.toISOString` writes it. */
  readonly createdAt: string;
  readonly expiresAt?: string;
}

/** What is asked for: a sentence alone in `prompt` is divided by the model that learns it. */
export interface FactRequest {
  readonly prompt: string;
  readonly completion?: string | undefined;
  readonly subject?: string | undefined;
  readonly paraphrases?: readonly string[] | undefined;
  readonly source?: string | undefined;
  /** Default "default". */
  readonly scope?: string | undefined;
  /** One that exists in the scope is replaced. Default: a new one. */
  readonly id?: string | undefined;
  readonly createdAt?: string | undefined;
  readonly expiresAt?: string | undefined;
}

/** UTF-16 units. A key sees 32 ids, so longer texts only cost. */
const MAX_TEXT = 16384;
const MAX_NOTE = 1024;
const MAX_PARAPHRASES = 32;

const texts = ["prompt", "completion", "subject", "source", "scope", "id"] as const;
const known: ReadonlySet<string> = new Set([...texts, "paraphrases", "createdAt", "expiresAt"]);

/** Throws `RequestError`, which begins with `where`, for what is no request to learn a fact. */
export function checkFactRequest(value: unknown, where: string): FactRequest {
  const request = checkGiven(value, where);
  const { prompt, completion = "", subject = "", source = "", paraphrases = [] } = request;
  for (const text of [prompt, completion, subject, source, ...paraphrases])
    if (!text.isWellFormed())
      throw new RequestError(
        `${where}: ${shown(text)} has a lone surrogate, half of a character, which is no text; give whole characters`,
      );
  return request;
}

/** What older versions have stored may have halves of characters. */
function checkGiven(value: unknown, where: string): FactRequest {
  const fail = (what: string): never => {
    throw new RequestError(`${where}: ${what}`);
  };
  if (!isRecord(value)) return fail(`expected an object with a prompt, got ${shown(value)}`);
  const given = value;
  for (const key of Object.keys(given))
    if (!known.has(key))
      fail(`"${key}" is nothing that a fact has; it has ${[...known].join(", ")}`);
  const checkText = (key: string, text: unknown, most = MAX_TEXT): void => {
    if (typeof text !== "string" || text.trim() === "" || text.length > most || /\0/.test(text))
      fail(`${key} is a text of 1 to ${most} characters, got ${shown(text)}`);
  };
  checkText("prompt", given["prompt"]);
  if (given["completion"] !== undefined) checkText("completion", given["completion"]);
  for (const key of ["subject", "source"])
    if (given[key] !== undefined) checkText(key, given[key], MAX_NOTE);
  for (const key of ["scope", "id"])
    if (given[key] !== undefined && !isFactName(given[key]))
      fail(
        `${key} is a name of 1 to 64 letters, digits, "_", ".", ":" or "-", got ${shown(given[key])}`,
      );
  const { paraphrases = [] } = given;
  if (!Array.isArray(paraphrases) || paraphrases.length > MAX_PARAPHRASES)
    return fail(
      `paraphrases is a list of at most ${MAX_PARAPHRASES} texts, got ${shown(paraphrases)}`,
    );
  for (const text of paraphrases) checkText("a paraphrase", text);
  for (const key of ["createdAt", "expiresAt"]) {
    const time = given[key];
    if (time !== undefined && !(typeof time === "string" && isTime(time)))
      fail(`${key} is a time such as 2026-11-28T12:00:00.000Z, got ${shown(time)}`);
  }
  return given as unknown as FactRequest;
}

/** Throws `RequestError` unless this is a whole fact, as it is stored. */
export function checkFact(value: unknown, where: string): Fact {
  const fact = checkGiven(value, where);
  for (const key of ["id", "scope", "completion", "createdAt"] as const)
    if (fact[key] === undefined) throw new RequestError(`${where}: a fact has a ${key}`);
  return fact as Fact;
}

function isTime(text: string): boolean {
  const time = new Date(text);
  return !Number.isNaN(time.getTime()) && time.toISOString() === text;
}
