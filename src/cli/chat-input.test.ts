import assert from "node:assert/strict";
import test from "node:test";
import { InputReader } from "./chat-input.ts";

/** Every input that these lines make, the last of them ended by the end of the lines. */
function inputsOf(...lines: string[]): unknown[] {
  const reader = new InputReader();
  const made = [...lines.map((line) => reader.push(line)), reader.end()];
  return made
    .filter((input) => input !== undefined)
    .map((input) => (input.kind === "text" ? input.text : [input.name, input.argument]));
}

for (const [what, lines, expected] of [
  ["a line is an input", ["the cat", " sat "], ["the cat", " sat "]],
  ["empty lines are none", ["", "  ", "a"], ["a"]],
  ["a backslash joins lines", ["a\\", "b\\", "", "c"], ["a\nb\n", "c"]],
  ["a backslash within a line is text", ["a\\n b"], ["a\\n b"]],
  ["an open line at the end counts", ["a\\"], ["a"]],
  ["fences hold lines, empty ones too", ['"""', "a", "", "b", '"""', "c"], ["a\n\nb", "c"]],
  ["text may stand beside the fences", ['"""a', 'b"""'], ["a\nb"]],
  ["fences may open and close in one line", ['"""a"""', '""""""', "b"], ["a", "b"]],
  ["within fences nothing else is read", ['"""', "/reset", "a\\", '"""'], ["/reset\na\\"]],
  ["a fence that stays open ends with the lines", ['"""', "a", "b"], ["a\nb"]],
  [
    "a slash and a word are a command",
    ["/memory off ", "/help"],
    [
      ["memory", "off"],
      ["help", ""],
    ],
  ],
  ["a path is text", ["/etc/passwd", "/ or", "/Save"], ["/etc/passwd", "/ or", "/Save"]],
] as const)
  test(what, () => assert.deepEqual(inputsOf(...lines), expected));

test("an open input says so, for the prompt", () => {
  const reader = new InputReader();
  for (const [line, isOpen] of [
    ["a\\", true],
    ["b", false],
    ['"""', true],
    ["b", true],
    ['"""', false],
  ] as const) {
    reader.push(line);
    assert.equal(reader.isOpen, isOpen, line);
  }
});
