/**
 * What the OpenAPI document says of fields whose schemas are loaded with the first request, by their names and places. They
 * stand here because nobody needs them to check a request, and a page loads all that is in `protocol.ts`. Fields of other
 * requests are described beside their checks.
 */
import { ofLogProbs } from "./protocol.ts";

/** By a field's name, behind those of the objects that it is in; "" is the body itself. */
export type Words = Readonly<Record<string, string>>;

const ablateWords: Words = {
  ablate: "parts of the memory that are not read: everything that any of the lists names",
  "ablate.orders": "lengths of n-grams that lead to rows; 2 means pairs of tokens",
  "ablate.heads": "hash heads, counted from 0",
  "ablate.rows":
    "rows of the layers' tables; the rows read after a token (layers[].after.rows) affect the token after it",
  "ablate.counts": "lengths of n-grams whose counts are not read; 2 means pairs of tokens",
  "ablate.contexts":
    "token ids behind which no count is read, as if they had never been met: exactly these, longer and shorter ones are",
};

/** In any body. */
export const commonWords: Words = {
  model: "the name of the served model; may be left out",
  temperature: "0 always takes the most likely token; default 1",
  top_k: "-1 or 0 means all tokens",
  seed: "the same seed gives the same text; default: a random one",
  stop: "strings at which the answer ends; they are not part of it",
  ignore_eos: "continue after the end-of-text token",
  min_tokens: "fewest tokens of an answer: before that, nothing ends it",
  stop_token_ids: "token ids that end the answer, besides the end-of-text token",
  engram: "The n-gram memory: whether and how strongly it is used, and what to return about it.",
  "engram.enabled": "false switches the memory off",
  "engram.scale": "factor for what the memory adds; 0 switches it off",
  "engram.return":
    "what to return for each token that the model read. Gates and rows are by layer of learned rows; a memory of " +
    "counts alone has none. Facts: those whose words or subject are in the text, what of them " +
    "the answer says, the chance that the model gave to that (chance; null: it says something else), and how likely it is the taught answer to " +
    "what was asked (known, calibrated; 0: it says something else). Keys: where words of facts are in the text, " +
    "prompt included. Sources: documents of packs, and texts that a scope has learned, that have n-grams of the answer, those " +
    "with most of it first",
  "engram.scopes":
    "whose facts the text sees, of equal ones the last scope's; default: default, or the key's first",
  "engram.packs": "which of the server's packs the text reads, the first one first; default: all",
  "engram.learn":
    "counts the text, when it ends, into what this scope has learned, which the text reads as well; default: what the " +
    "server was started with (--learn), if the text reads that scope",
  ...Object.fromEntries(
    Object.entries(ablateWords).map(([name, words]) => [`engram.${name}`, words]),
  ),
};

/** In the body of one path. */
export const wordsByPath: Readonly<Record<string, Words>> = {
  "/v1/completions": {
    "": "A text to continue.",
    max_tokens: "default 16",
    echo: "return the prompt before the answer",
    logprobs: `number of most likely tokens to list at each position; ${ofLogProbs}`,
    best_of:
      "number of texts to generate; the n with the highest mean log-probability are returned",
  },
  "/engram/inspect": {
    "":
      "A text to read with and without the memory. log_probs[t] belong to token t. layers[].after.rows[t] and next[t] are the " +
      "rows read after token t, and the predictions for the token after it.",
    text: "a text, read as the beginning of a document",
    ids: "token ids in place of text; nothing is put before them",
    continuation: "token ids that follow the text",
    top: "number of most likely next tokens to list at each position, with and without the memory",
    scale: "factor for what the memory adds; 0 switches it off",
    ...ablateWords,
  },
};
