/** Calls of tools: a model of random weights calls what it is made to, in the form that OpenAI's clients read. */
import assert from "node:assert/strict";
import test, { after } from "node:test";
import { servedModel } from "../../../test/models/served-model.ts";
import { createServer } from "../node/index.ts";

/** Qwen's and Hermes' way, much shortened. */
const template =
  "{%- if tools %}{{ 'tools: ' }}{% for tool in tools %}{{ tool | tojson }}{% endfor %}{{ '\n' }}{% endif -%}" +
  "{%- for m in messages -%}{{ m.role + ': ' + m.content }}{% for call in m.tool_calls or [] %}" +
  "{{ call.function.name + (call.function.arguments | tojson) }}{% endfor %}{{ '\n' }}{%- endfor -%}" +
  "{%- if add_generation_prompt -%}{{ 'assistant:' }}{%- endif -%}";
const model = await servedModel({ withChat: true, template, contextSize: 512 });
const server = createServer(model, { parallel: 2 });
await server.ready;
after(async () => {
  await server.close();
  await model.close();
});

// oxlint-disable-next-line typescript/no-explicit-any -- answers of many shapes
type Body = any;

const tool = (name: string, parameters: object): object => ({
  type: "function",
  function: { name, description: "does it", parameters },
});
const tools = [
  tool("turn", {
    type: "object",
    properties: { way: { enum: ["left", "right"] } },
    required: ["way"],
  }),
  tool("stop", { type: "object", properties: {} }),
];
const messages = [{ role: "user", content: "the cat" }];

async function post(path: string, body: object): Promise<{ status: number; text: string }> {
  const request = { method: "POST", body: JSON.stringify(body) };
  const response = await server.fetch(new Request(`http://engram${path}`, request));
  return { status: response.status, text: await response.text() };
}

async function ask(more: object): Promise<Body> {
  const { status, text } = await post("/v1/chat/completions", { messages, tools, ...more });
  assert.equal(status, 200, text);
  return JSON.parse(text);
}

test("a call that is required comes, with arguments by its schema, and only the named one by name", async () => {
  for (const [choice, names] of [
    ["required", ["turn", "stop"]],
    [{ type: "function", function: { name: "turn" } }, ["turn"]],
  ] as const) {
    const { choices } = await ask({
      tool_choice: choice,
      parallel_tool_calls: false,
      seed: 4,
      max_tokens: 400,
    });
    const [{ message, finish_reason: reason }] = choices;
    assert.equal(reason, "tool_calls", JSON.stringify(message).slice(-300));
    assert.equal(message.tool_calls.length, 1);
    const [{ id, type, function: called }] = message.tool_calls;
    assert.match(id, /^call_/);
    assert.equal(type, "function");
    assert.ok(names.some((name) => name === called.name));
    const given = JSON.parse(called.arguments);
    if (called.name === "turn") assert.ok(["left", "right"].includes(given.way));
    else assert.deepEqual(given, {});
  }
});

test("a stream gives a call's id and name first, then its arguments, and the same in all", async () => {
  const request = {
    tool_choice: { type: "function", function: { name: "turn" } },
    temperature: 0,
    logit_bias: {},
  };
  const whole = (await ask(request)).choices[0];
  const { text } = await post("/v1/chat/completions", {
    messages,
    tools,
    ...request,
    stream: true,
  });
  const chunks: Body[] = text
    .split("\n\n")
    .filter((line) => line.startsWith("data: {"))
    .map((line) => JSON.parse(line.slice(6)).choices[0]);
  const parts = chunks.flatMap(({ delta }) => delta.tool_calls ?? []);
  assert.deepEqual(
    [parts[0].index, parts[0].type, parts[0].function],
    [0, "function", { name: "turn", arguments: "" }],
  );
  assert.ok(parts.slice(1).every((part: Body) => part.id === undefined && part.index === 0));
  assert.ok(parts.length > 2, "arguments come in pieces");
  const given = parts.map((part: Body) => part.function.arguments).join("");
  assert.equal(given, whole.message.tool_calls[0].function.arguments);
  assert.equal(chunks.at(-1).finish_reason, "tool_calls");
});

test("templates are given tools, calls and results; what they say stays text", async () => {
  const asked = [
    ...messages,
    {
      role: "assistant",
      content: null,
      tool_calls: [
        { id: "1", type: "function", function: { name: "turn", arguments: '{"way":"left"}' } },
      ],
    },
    { role: "tool", tool_call_id: "1", content: "<|endoftext|>" },
  ];
  const { usage } = await ask({ messages: asked, tool_choice: "none", max_tokens: 1 });
  const shown =
    `tools: ${tools.map((one) => JSON.stringify(one)).join("")}\n`.replaceAll(
      /([:,])(?=["[{])/g,
      "$1 ",
    ) + 'user: the cat\nassistant: turn{"way": "left"}\ntool: <|endoftext|>\nassistant:';
  assert.equal(usage.prompt_tokens, (await model.tokenizer.encode(shown)).length);
});

test("what cannot be called is refused by name", async () => {
  for (const [more, param] of [
    [{ tool_choice: { type: "function", function: { name: "fly" } } }, "tool_choice"],
    [{ tools: [], tool_choice: "required" }, "tool_choice"],
    [{ tools: [tools[0], tools[0]] }, "tools"],
    [{ tools: [tool("a b", {})] }, "tools.0.function.name"],
    [{ tools: [tool("a", { type: "frog" })] }, "tools"],
    [{ response_format: { type: "json_object" } }, "response_format"],
  ] as const) {
    const { status, text } = await post("/v1/chat/completions", { messages, tools, ...more });
    assert.deepEqual([status, JSON.parse(text).error.param], [400, param], text);
  }
});
