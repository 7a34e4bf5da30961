/**
 * Facts about one subject -> what a search for its vectors needs: how the subject is spelled, as ids, and the texts that
 * name it. Knows texts and ids; no model.
 */
import { RequestError } from "../errors.ts";
import type { Edit, Statement } from "../teaching/index.ts";
import type { Tokenizer } from "../tokenizer/index.ts";
import { MAX_KEY } from "./edit.ts";
import type { Fact } from "./fact.ts";
import { joinedCompletion, spellingsOf, textAfter } from "./wording.ts";

/** What a subject may stand behind: a fact has to come to mind within a text, not only at its beginning. */
const CONTEXT = "The weather was fine that day. ";

/**
 * All facts have the same subject. Throws `RequestError` where a wording does not name it, or a key would be too long.
 */
export async function subjectEdit(facts: readonly Fact[], tokenizer: Tokenizer): Promise<Edit> {
  const subject = facts[0]!.subject!.trim();
  const keys = await spellingsOf(tokenizer, subject);
  const tooLong = keys.find((key) => key.length > MAX_KEY);
  if (tooLong !== undefined)
    throw new RequestError(
      `the subject "${subject}" makes ${tooLong.length} tokens, a key has at most ${MAX_KEY}; name it more shortly`,
    );
  const start = tokenizer.bounds.startIds;
  const encode = async (text: string): Promise<number[]> => [
    ...start,
    ...(await tokenizer.encode(text)),
  ];
  const stated = async (text: string, answer: string): Promise<Statement> => {
    const prompt = await encode(text);
    if (!keys.some((key) => holds(prompt, key)))
      throw new RequestError(
        `"${text.slice(0, 80)}" does not name the subject "${subject}" as a whole word; each wording has to`,
      );
    const completion = joinedCompletion(text, answer.trimStart());
    return { prompt, completion: await textAfter(tokenizer, completion) };
  };
  const statements: Statement[] = [];
  const validation: Statement[] = [];
  for (const { prompt, completion, paraphrases = [] } of facts) {
    statements.push(await stated(prompt, completion), await stated(CONTEXT + prompt, completion));
    const wordings = paraphrases.map((text) => stated(text, completion));
    // Of several, the last is held back, to see whether what was found answers more than what it was found for.
    for (const [i, wording] of wordings.entries())
      (i > 0 && i === wordings.length - 1 ? validation : statements).push(await wording);
  }
  return { keys, statements, validation, leashes: [await encode(`${subject} is a`)] };
}

function holds(ids: readonly number[], key: readonly number[]): boolean {
  for (let at = 0; at + key.length <= ids.length; at++)
    if (key.every((id, i) => ids[at + i] === id)) return true;
  return false;
}
