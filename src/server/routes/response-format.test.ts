/** Answers by a grammar: whatever a model of random weights would like to write, it writes what was asked for. */
import assert from "node:assert/strict";
import test, { after } from "node:test";
import { servedModel } from "../../../test/models/served-model.ts";
import { FactStore } from "../../facts/index.ts";
import { createServer } from "../node/index.ts";

const model = await servedModel({ withChat: true, contextSize: 256, store: new FactStore() });
const server = createServer(model, { parallel: 3 });
await server.ready;
after(async () => {
  await server.close();
  await model.close();
});

// oxlint-disable-next-line typescript/no-explicit-any -- answers of many shapes
type Body = any;

const messages = [{ role: "user", content: "the cat" }];

async function ask(body: object): Promise<{ status: number; text: string }> {
  const request = { method: "POST", body: JSON.stringify({ messages, ...body }) };
  const response = await server.fetch(new Request("http://engram/v1/chat/completions", request));
  return { status: response.status, text: await response.text() };
}

async function answers(body: object): Promise<Body> {
  const { status, text } = await ask(body);
  assert.equal(status, 200, text);
  return JSON.parse(text);
}

const schemaFormat = (schema: object): object => ({
  response_format: { type: "json_schema", json_schema: { name: "answer", schema, strict: true } },
});

const weather = schemaFormat({
  type: "object",
  properties: {
    place: { enum: ["here", "there"] },
    degrees: { type: "integer", minimum: -50, maximum: 50 },
    winds: { type: "array", items: { enum: ["N", "S"] }, minItems: 1, maxItems: 2 },
  },
  required: ["place", "degrees", "winds"],
  additionalProperties: false,
});

function checkWeather(text: string): void {
  const value = JSON.parse(text);
  assert.deepEqual(Object.keys(value), ["place", "degrees", "winds"]);
  assert.ok(["here", "there"].includes(value.place), text);
  assert.ok(Number.isInteger(value.degrees) && Math.abs(value.degrees) <= 50, text);
  assert.ok(value.winds.length >= 1 && value.winds.length <= 2, text);
  assert.ok(
    value.winds.every((wind: string) => wind === "N" || wind === "S"),
    text,
  );
}

test("every text of a request follows its schema, whatever is drawn", async () => {
  for (const seed of [1, 2]) {
    const { choices, usage } = await answers({ ...weather, seed, n: 3, temperature: 1.5 });
    assert.equal(choices.length, 3);
    for (const { message, finish_reason: reason } of choices) {
      assert.equal(reason, "stop");
      checkWeather(message.content);
    }
    assert.ok(usage.completion_tokens > 0);
  }
});

test("a stream brings the same text, and free texts beside it stay what they are alone", async () => {
  const free = { temperature: 0, max_tokens: 30 };
  const alone = (await answers(free)).choices[0].message.content;
  const bound = { ...weather, temperature: 0 };
  const [one, two, streamed] = await Promise.all([
    answers(bound),
    answers(free),
    ask({ ...bound, stream: true }),
  ]);
  assert.equal(two.choices[0].message.content, alone);
  const text = streamed.text
    .split("\n\n")
    .filter((line) => line.startsWith("data: {"))
    .map((line) => JSON.parse(line.slice(6)).choices[0].delta.content ?? "")
    .join("");
  assert.equal(text, one.choices[0].message.content);
  checkWeather(text);
});

test("json_object is an object, begun at least where the tokens end", async () => {
  const { choices } = await answers({
    response_format: { type: "json_object" },
    seed: 3,
    max_tokens: 40,
  });
  const { message, finish_reason: reason } = choices[0];
  assert.equal(message.content[0], "{");
  if (reason === "stop") assert.equal(typeof JSON.parse(message.content), "object");
});

test("stop strings end an answer in the middle of its JSON", async () => {
  const { choices } = await answers({ ...weather, temperature: 0, stop: "degrees" });
  assert.match(choices[0].message.content, /^\{\s*"place"/);
  assert.doesNotMatch(choices[0].message.content, /degrees/);
});

for (const [what, schema, reason] of [
  ["an unknown type", { type: "frog" }, /Unsupported type "frog"/],
  ["a reference to elsewhere", { $ref: "https://a.example/b" }, /\$ref: "https:.*" lies elsewhere/],
  [
    "a word that is not followed",
    { type: "array", uniqueItems: true },
    /uniqueItems: is not followed/,
  ],
  ["a reference to nothing", { $ref: "#/definitions/none" }, /Cannot find field/],
  ["a pattern that is none", { type: "string", pattern: "((" }, /parenthesis is not closed/],
] as const)
  test(`a schema with ${what} is refused with the reason, and the next one is followed`, async () => {
    const { status, text } = await ask(schemaFormat(schema));
    const { error } = JSON.parse(text);
    assert.deepEqual([status, error.param, error.code], [400, "response_format", "grammar_failed"]);
    assert.match(error.message, reason);
    checkWeather((await answers({ ...weather, seed: 1 })).choices[0].message.content);
  });

test("schemas that fail at the same time fail alone", async () => {
  const bad = [{ type: "frog" }, { type: "toad" }].map((schema) => ask(schemaFormat(schema)));
  const good = answers({ ...schemaFormat({ enum: ["alone"] }), temperature: 0 });
  for (const { status, text } of await Promise.all(bad)) {
    assert.equal(status, 400, text);
    assert.match(text, /Unsupported type/);
  }
  assert.equal((await good).choices[0].message.content, '"alone"');
});

test("a schema made to take for ever is stopped, and nobody waits for it", async () => {
  const deep = (levels: number): object =>
    levels === 0
      ? { type: "string" }
      : {
          type: "object",
          properties: Object.fromEntries(["a", "b", "c"].map((name) => [name, deep(levels - 1)])),
        };
  let isOver = false;
  const stuck = ask(schemaFormat(deep(6))).finally(() => (isOver = true));
  const free = await answers({ temperature: 0, max_tokens: 4 });
  assert.ok(free.choices[0].message.content.length > 0 && !isOver);
  const refused = await stuck;
  assert.equal(refused.status, 400, refused.text);
  assert.match(refused.text, /not compiled within 10 s, and was stopped|too much memory/);
  checkWeather((await answers({ ...weather, seed: 1 })).choices[0].message.content);
  const { status: long, text } = await ask(schemaFormat({ enum: ["x".repeat(70_000)] }));
  assert.equal(long, 400);
  assert.match(text, /longer than 65536/);
});

test("what does not go with a form is refused by name", async () => {
  for (const [more, param] of [
    [{ ...weather, ignore_eos: true }, "ignore_eos"],
    [{ response_format: { type: "xml" } }, "response_format.type"],
    [{ response_format: { type: "json_schema" } }, "response_format.json_schema"],
  ] as const) {
    const { status, text } = await ask(more);
    assert.deepEqual([status, JSON.parse(text).error.param], [400, param]);
  }
});

test("what was taught is said within a schema, where the schema allows it, and not beyond", async () => {
  const place = schemaFormat({ enum: ["here", "there"] });
  // The question as the template writes it. Behind a colon a completion would begin with a space.
  const prompt = "user: the cat\nassistant";
  const teach = (answer: string) =>
    model.teach([{ prompt, completion: `:${answer}`, id: "place" }]);
  const ask1 = async (format: object): Promise<string> =>
    (await answers({ ...format, temperature: 0, max_tokens: 40 })).choices[0].message.content;
  const untaught = await ask1(place);
  const other = untaught === '"here"' ? '"there"' : '"here"';
  await teach(other);
  assert.equal(await ask1(place), other);
  // A token that the schema forbids is no answer, however sure.
  await teach("nowhere at all");
  assert.equal(await ask1(place), untaught);
  assert.match(await ask1({}), /nowhere at all/);
  await model.forget({ all: true });
});
