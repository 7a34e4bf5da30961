import assert from "node:assert/strict";
import test, { after } from "node:test";
import { servedModel } from "../../test/models/served-model.ts";
import { continueText } from "../generate-text.ts";
import { createSampler } from "../inference/index.ts";
import type { ChatMessage } from "./chat-template.ts";
import { type Answered, ChatTemplate, Conversation, runningText, templated } from "./index.ts";
import { startTemplateWorker } from "./node/index.ts";

const model = await servedModel({ withChat: true });
const { tokenizer } = model;
const template = new ChatTemplate(model.chatTemplate!, {
  tokenizer,
  startWorker: startTemplateWorker,
});
const promptOf = templated(template, tokenizer);
const sampler = createSampler({ temperature: 0 });
const contextSize = model.config.maxPositions;
after(async () => {
  template.close();
  await model.close();
});

async function converse(options: { system?: string; maxTokens?: number } = {}) {
  const session = model.createSession();
  const talk = new Conversation(session, { tokenizer, promptOf, sampler, ...options });
  return { session, talk };
}

async function say(
  talk: Conversation,
  text: string,
  { signal, onPiece = () => undefined }: { signal?: AbortSignal; onPiece?: () => void } = {},
): Promise<Answered & { text: string }> {
  let answer = "";
  const pieces = talk.answer(text, signal && { signal });
  let step = await pieces.next();
  for (; !step.done; step = await pieces.next()) {
    answer += step.value;
    onPiece();
  }
  return { ...step.value, text: answer };
}

/** What follows these messages, read by a session that has read nothing else. */
async function afresh(
  messages: readonly ChatMessage[],
  { maxTokens, memory = true }: { maxTokens: number; memory?: boolean },
): Promise<string> {
  await using session = model.createSession({ memory });
  const ids = await promptOf(messages, { signal: undefined });
  let text = "";
  for await (const piece of continueText(session, ids, { tokenizer, sampler, maxTokens }))
    text += piece;
  return text;
}

const user = (content: string): ChatMessage => ({ role: "user", content });
const assistant = (content: string): ChatMessage => ({ role: "assistant", content });

test("each turn answers all that was said, and only what is new is read", async () => {
  const { session, talk } = await converse({ system: "the mat", maxTokens: 8 });
  await using _ = session;
  const system = { role: "system", content: "the mat" };
  const first = await say(talk, "the cat sat");
  assert.equal(first.text, await afresh([system, user("the cat sat")], { maxTokens: 8 }));
  const held = talk.length;
  const second = await say(talk, "again");
  const said = [system, user("the cat sat"), assistant(first.text), user("again")];
  assert.equal(second.text, await afresh(said, { maxTokens: 8 }));
  assert.deepEqual(talk.messages, [...said, assistant(second.text)]);
  const whole = (await promptOf(said, { signal: undefined })).length;
  assert.ok(second.numRead < whole && second.numRead >= whole - held, `${second.numRead} tokens`);
  assert.deepEqual([second.finishReason, second.numTokens], ["length", 8]);
});

test("a conversation that outgrows the context forgets its oldest turns and keeps its beginning", async () => {
  const { session, talk } = await converse({ system: "mat", maxTokens: 6 });
  await using _ = session;
  const forgotten: number[] = [];
  for (let turn = 0; turn < 12; turn++) {
    const before = talk.messages;
    const { numForgotten, text } = await say(talk, `cat ${turn}`);
    forgotten.push(numForgotten);
    const first = 1 + 2 * forgotten.reduce((a, b) => a + b);
    const kept = [before[0]!, ...before.slice(first), user(`cat ${turn}`)];
    assert.equal(text, await afresh(kept, { maxTokens: 6 }), `turn ${turn}`);
    assert.ok(talk.length <= contextSize);
  }
  const times = forgotten.filter((count) => count > 0).length;
  assert.ok(times > 0 && times < 6, `forgot ${forgotten.join()}`);
  assert.equal(talk.messages.length, 25);
});

test("a text that does not fit by itself is refused, and was not said", async () => {
  const { session, talk } = await converse({ maxTokens: 4 });
  await using _ = session;
  const first = await say(talk, "the cat");
  await assert.rejects(say(talk, "mat! ".repeat(contextSize)), /makes \d+ tokens.*holds 128/);
  const next = await say(talk, "sat");
  const said = [user("the cat"), assistant(first.text), user("sat")];
  assert.deepEqual(talk.messages, [...said, assistant(next.text)]);
  assert.equal(next.text, await afresh(said, { maxTokens: 4 }));
});

test("an aborted answer ends where it is and stays said; one that had not begun was not said", async () => {
  const { session, talk } = await converse({ maxTokens: 40 });
  await using _ = session;
  const controller = new AbortController();
  let pieces = 0;
  const onPiece = (): void => void (++pieces === 3 && controller.abort());
  const stopped = await say(talk, "the cat", { signal: controller.signal, onPiece });
  assert.equal(stopped.finishReason, "abort");
  assert.ok(stopped.numTokens >= 3 && stopped.numTokens < 40);
  const said = [user("the cat"), assistant(stopped.text)];
  assert.deepEqual(talk.messages, said);
  await assert.rejects(say(talk, "sat", { signal: AbortSignal.abort() }), { name: "AbortError" });
  assert.deepEqual(talk.messages, said);
});

test("with the memory scaled to nothing answers are the backbone's, and at one the model's again", async () => {
  const { session, talk } = await converse({ maxTokens: 12 });
  await using _ = session;
  const all = [user("the cat")];
  const on = await afresh(all, { maxTokens: 12 });
  const off = await afresh(all, { maxTokens: 12, memory: false });
  assert.notEqual(on, off);
  for (const [scale, expected] of [
    [0, off],
    [1, on],
  ] as const) {
    talk.reset();
    talk.setScale(scale);
    assert.equal((await say(talk, "the cat")).text, expected);
  }
});

test("gates are those at the tokens of the last answer, and telling them changes nothing", async () => {
  const { session, talk } = await converse({ maxTokens: 8 });
  await using _ = session;
  assert.deepEqual(await talk.gates(), []);
  await say(talk, "the cat");
  const told = await talk.gates();
  await using other = model.createSession();
  const { gates } = await other.append(session.ids);
  const start = (await promptOf([user("the cat")], { signal: undefined })).length;
  assert.deepEqual(
    told.map(({ id }) => id),
    other.ids.slice(start),
  );
  for (const [layer, values] of gates)
    for (const [t, { gates: own }] of told.entries())
      assert.ok(Math.abs(own.get(layer)! - values[start + t]!) < 1e-5);
  const next = await say(talk, "sat");
  const said = talk.messages.slice(0, -1);
  assert.equal(next.text, await afresh(said, { maxTokens: 8 }));
});

test("a base model goes on with one text, in which each input begins a line", async () => {
  const of = async (messages: ChatMessage[]): Promise<string> =>
    tokenizer.decode(await runningText(tokenizer)(messages, { signal: undefined }), {
      skipSpecial: true,
    });
  assert.equal(await of([user("the cat"), assistant(" sat"), user("on")]), "the cat sat\non");
  assert.equal(await of([user("the cat"), assistant(" sat\n"), user("on")]), "the cat sat\non");
});
