import assert from "node:assert/strict";
import { test } from "node:test";
import { FormatError, RequestError } from "../../errors.ts";
import { parseTemplate } from "./template.ts";

const fields = {
  question: "  Who? ",
  options: ["a", "b"],
  answer: "b",
  gold: 1,
  choices: { label: ["A", "B"], text: ["one", "two"] },
  text: "the cat sat down",
  name: "high_school",
  nested: [{ deep: "x" }],
};

for (const [template, expected] of [
  ["plain", "plain"],
  ["", ""],
  ["{{question}}!", "  Who? !"],
  ["{{question | trim}}", "Who?"],
  ["{{ choices.text[0] }}-{{choices.text[1]}}", "one-two"],
  ["{{nested[0].deep}}", "x"],
  ["{{gold}}", 1],
  ["{{options}}", ["a", "b"]],
  ["{{choices.label | index('B')}}", 1],
  ["{{options | index(answer)}}", 1],
  ['{{text | split(" ") | slice(0, -1) | join(" ")}}', "the cat sat"],
  ["{{text | split(' ') | last}}", "down"],
  ["{{text | split(' ') | first | upper}}", "THE"],
  ["{{text | before('cat')}}|{{text | after('cat')}}", "the | sat down"],
  ["{{name | replace('_', ' ') | capitalize}}", "High school"],
  ["{{text | slice(4)}}", "cat sat down"],
  ["{{'a\\nb'}}", "a\nb"],
  ["{ {question} }", "{ {question} }"],
] as const)
  test(`${template} stands for ${JSON.stringify(expected)}`, () => {
    assert.deepEqual(parseTemplate(template).value(fields), expected);
  });

test("what is not in the language is refused when the file is read", () => {
  for (const template of [
    "{{question",
    "{{}}",
    "{{question.constructor()}}",
    "{{question | eval('1')}}",
    "{{question | constructor}}",
    "{{question | trim(1)}}",
    "{{question | replace('a')}}",
    "{{question | join(}}",
    "{{a + b}}",
    "{% for x in options %}{% endfor %}{{x y}}",
    "{{'open}}",
    "x".repeat(70_000),
  ])
    assert.throws(() => parseTemplate(template), FormatError, template.slice(0, 60));
});

test("a document that lacks what is asked for is refused, inherited names included", () => {
  for (const template of [
    "{{missing}}",
    "{{constructor}}",
    "{{__proto__}}",
    "{{options[5]}}",
    "{{options.length}}",
    "{{text[0]}}",
    "{{options}} as text",
    "{{choices | trim}}",
    "{{text | first}}",
    "{{options | index('z')}}",
    "{{text | before('zebra')}}",
  ])
    assert.throws(() => parseTemplate(template).text(fields), RequestError, template);
});

test("a template that grows without end is refused", () => {
  const grown = parseTemplate("{{a | replace('x', b) | replace('x', b)}}");
  const big = "x".repeat(5000);
  assert.throws(() => grown.text({ a: big, b: big }), RequestError);
});
