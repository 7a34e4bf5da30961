import assert from "node:assert/strict";
import { after, test } from "node:test";
import { openTokenizer, toTokenizerJson, trainBpe } from "../tokenizer/index.ts";
import { startTokenizerWorker } from "../tokenizer/node/index.ts";
import { splitSentence } from "./split-sentence.ts";
import { joinedCompletion, wordingsOf } from "./wording.ts";

const corpus = "the cat sat on the mat is red and the Cat is sad\nthe mat is red\nthe cat is red ";
const definition = await trainBpe([corpus.repeat(20)], { vocabSize: 300 });
const tokenizer = await openTokenizer(toTokenizerJson(definition), {
  startWorker: startTokenizerWorker,
});
after(() => tokenizer.close?.());
const prompt = "the cat on the mat is";
const completion = " red";

/** Whether a wording goes on, after a text, with ids that decode to what is expected. */
async function continued(
  text: string,
  chatIds?: (text: string) => Promise<number[]>,
): Promise<string[]> {
  const ids = Array.from(await tokenizer.encode(text));
  const wordings = await wordingsOf({ prompt, completion }, { tokenizer, chatIds });
  return wordings.flatMap(({ ids: wording, from }) => {
    const head = wording.slice(0, from);
    const isEnd = head.every((id, i) => ids[ids.length - from + i] === id);
    return isEnd ? [tokenizer.decode(wording.slice(from))] : [];
  });
}

test("a prompt is found at the beginning, after a line's end, in a text, and with the space typed", async () => {
  for (const before of ["", "sat\n", "the mat and ", "(", 'sad: "'])
    assert.ok((await continued(before + prompt)).includes(completion), JSON.stringify(before));
  for (const before of ["", "sat\n", "the mat and "])
    assert.ok((await continued(`${before}${prompt} `)).includes("red"), JSON.stringify(before));
  assert.deepEqual(await continued(prompt.slice(4)), []);
  assert.deepEqual(await continued(`${prompt} not`), []);
});

test("every wording says prompt and completion, and teaches nothing of the prompt", async () => {
  for (const [head, tail] of [
    [prompt, completion],
    // Cut amid a word, where the whole is cut otherwise.
    ["the cat on the ma", "t is red"],
    ["Zembla’s größte", " Stadt 🏙 ist Onhava"],
  ] as const)
    for (const { ids, from } of await wordingsOf(
      { prompt: head, completion: tail },
      { tokenizer },
    )) {
      assert.equal(tokenizer.decode(ids).trim(), head + tail);
      const taught = tokenizer.decode(ids.slice(from)).trim();
      assert.ok(taught !== "" && tail.endsWith(taught), `${JSON.stringify(tail)} has no ${taught}`);
    }
});

test("a question is found behind what a template puts around it, whatever came before", async () => {
  const template = (text: string): string => `and user: ${text}\nassistant:\n`;
  const chatIds = async (text: string): Promise<number[]> =>
    Array.from(await tokenizer.encode(template(text)));
  assert.ok((await continued(`sat on ${template(prompt)}`, chatIds)).includes("red"));
  assert.deepEqual(await continued(`sat on ${template(prompt)}`), []);
});

test("a space joins what would be one word, and nothing else", () => {
  for (const [head, tail, joined] of [
    ["The capital is", "Onhava", " Onhava"],
    ["The capital is", " Onhava", " Onhava"],
    ["The capital is ", "Onhava", "Onhava"],
    ["The capital:", "Onhava", " Onhava"],
    ["x = f(", "3)", "3)"],
    ["Onhava", ", of course", ", of course"],
    ["首都は", "東京", "東京"],
    ["Is it so?", "“Yes”", " “Yes”"],
    ["line\n", "next", "next"],
  ] as const)
    assert.equal(joinedCompletion(head, tail), joined, `${head}|${tail}`);
});

test("a sentence is divided before the first word in front of which there is enough, or before the last", async () => {
  const divided = async (sentence: string, bitsEach: number): Promise<string> => {
    const ids = await tokenizer.encode(sentence);
    const bits = Array.from(ids, (id) => bitsEach * tokenizer.tokenBytes(id).length);
    const { prompt: head, completion: tail } = splitSentence(sentence, { ids, bits, tokenizer });
    assert.equal(head + tail, sentence);
    return tail;
  };
  // Each byte says so many bits: 32 are there after 4, 8 or 32 bytes.
  assert.equal(await divided("the cat sat on the mat", 8), " sat on the mat");
  assert.equal(await divided("the cat sat on the mat", 3), " on the mat");
  assert.equal(await divided("the cat sat on the mat", 0.1), " mat");
  assert.equal(await divided("  größer, größter", 0), " größter");
  await assert.rejects(divided("onhava", 8), /one word/);
});
