import assert from "node:assert/strict";
import test from "node:test";
import * as fc from "fast-check";
import { type ToolCallPiece, ToolCallReader, withToolsInText } from "./tool-calls.ts";

const call = (name: string, given: string): string =>
  `<tool_call>\n{"name": "${name}", "arguments": ${given}}\n</tool_call>`;

/** All pieces of a text that comes in these parts, neighbours of a kind joined. */
function read(parts: readonly string[]): ToolCallPiece[] {
  const reader = new ToolCallReader();
  const joined: ToolCallPiece[] = [];
  for (const piece of [...parts.flatMap((part) => reader.push(part)), ...reader.end()]) {
    const last = joined.at(-1);
    if (piece.kind !== "call" && last?.kind === piece.kind)
      joined[joined.length - 1] = { ...piece, text: (last as { text: string }).text + piece.text };
    else joined.push(piece);
  }
  return joined;
}

const text = `Let me <see>.\n${call("look", '{"at": "a}b", "n": {}}')}\n${call("go", "{}")} < done`;
const expected = [
  { kind: "text", text: "Let me <see>.\n" },
  { kind: "call", name: "look" },
  { kind: "arguments", text: '{"at": "a}b", "n": {}}' },
  { kind: "text", text: "\n" },
  { kind: "call", name: "go" },
  { kind: "arguments", text: "{}" },
  { kind: "text", text: " < done" },
];

test("calls are read out of a text, however it is cut into parts", () => {
  assert.deepEqual(read([text]), expected);
  fc.assert(
    fc.property(fc.array(fc.nat(text.length), { maxLength: 12 }), (cuts) => {
      const places = [0, ...cuts.toSorted((a, b) => a - b), text.length];
      assert.deepEqual(read(places.slice(1).map((to, i) => text.slice(places[i], to))), expected);
    }),
  );
});

test("a call that is cut off keeps what came of its arguments, and a mark that is none is text", () => {
  assert.deepEqual(read([call("go", '{"a": 1}').slice(0, -15)]), [
    { kind: "call", name: "go" },
    { kind: "arguments", text: '{"a": 1' },
  ]);
  assert.deepEqual(read(["a <tool_ca"]), [{ kind: "text", text: "a <tool_ca" }]);
  assert.deepEqual(read(["a <tool_call>\n{"]), [{ kind: "text", text: "a " }]);
});

test("a template that knows no tools is told of them in text, calls and results included", () => {
  const tools = [{ type: "function", function: { name: "go" } }];
  const said = withToolsInText(
    [
      { role: "system", content: "Be brief." },
      { role: "user", content: "Go." },
      { role: "assistant", content: "", toolCalls: [{ id: "1", name: "go", arguments: { a: 1 } }] },
      { role: "tool", content: "gone" },
    ],
    tools,
  );
  assert.match(said[0]!.content, /^Be brief\.\n\n[^]*"name":"go"[^]*<tool_call>/);
  assert.deepEqual(said.slice(1), [
    { role: "user", content: "Go." },
    { role: "assistant", content: call("go", '{"a":1}') },
    { role: "user", content: "<tool_response>\ngone\n</tool_response>" },
  ]);
  assert.equal(withToolsInText([{ role: "user", content: "a" }], tools)[0]!.role, "system");
  assert.deepEqual(withToolsInText([{ role: "user", content: "a" }], []), [
    { role: "user", content: "a" },
  ]);
});
