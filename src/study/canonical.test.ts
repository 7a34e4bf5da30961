import assert from "node:assert/strict";
import test from "node:test";
import { canonicalJson } from "./canonical.ts";

test("names are in the order of RFC 8785, section 3.2.3, and values as its section 3.2.2 has them", () => {
  const input =
    '{ "\\u20ac": "Euro Sign", "\\r": "Carriage Return", "\\ufb33": "Hebrew Letter Dalet With Dagesh", "1": "One", ' +
    '"\\ud83d\\ude00": "Emoji: Grinning Face", "\\u0080": "Control", "\\u00f6": "Latin Small Letter O With Diaeresis" }';
  assert.deepEqual(
    [...canonicalJson(JSON.parse(input)).matchAll(/:"([^"]*)"/g)].map(([, value]) => value),
    [
      "Carriage Return",
      "One",
      "Control",
      "Latin Small Letter O With Diaeresis",
      "Euro Sign",
      "Emoji: Grinning Face",
      "Hebrew Letter Dalet With Dagesh",
    ],
  );
  assert.equal(
    canonicalJson(
      JSON.parse(
        '{ "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001], ' +
          '"string": "\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/", "literals": [null, true, false] }',
      ),
    ),
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],' +
      '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
  );
});

test("how a file is typed changes nothing, what it says does", () => {
  const one = canonicalJson(JSON.parse('{"a": {"c": 1.0, "b": [1, 2]}}'));
  assert.equal(canonicalJson(JSON.parse('{\n "a": {"b": [1, 2],\n "c": 1}}')), one);
  assert.notEqual(canonicalJson(JSON.parse('{"a": {"c": 1, "b": [2, 1]}}')), one);
});
