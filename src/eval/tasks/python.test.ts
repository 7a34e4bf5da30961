import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { twoSided } from "./difference.ts";
import { PythonRandom } from "./python-random.ts";
import {
  countWords,
  numCharacters,
  pythonStrip,
  pythonTrimEnd,
  pythonTrimStart,
} from "./python-text.ts";

/** Made by reference/make_python_golden.py. */
const golden = JSON.parse(
  readFileSync(new URL("../../../test/golden/python.json", import.meta.url), "utf8"),
);

test("a seed draws what Python's random draws", () => {
  for (const { seed, random, samples, choices, after700 } of golden.random) {
    const ours = new PythonRandom(seed);
    for (const expected of random) assert.equal(ours.random(), expected);
    for (const { n, k, drawn } of samples) assert.deepEqual(ours.sample(n, k), drawn);
    assert.equal(ours.sumOfChoices(Array.from({ length: 1000 }, (_, i) => i)), choices);
    for (let i = 0; i < 699; i++) ours.random();
    assert.equal(ours.random(), after700);
  }
});

test("white space is what Python takes for it, and no other character is", () => {
  const spaces = new Set(golden.spaces);
  for (let code = 0; code < 0x10000; code++)
    assert.equal(
      pythonTrimEnd(`a${String.fromCharCode(code)}`) === "a",
      spaces.has(code),
      `${code}`,
    );
});

test("texts are trimmed, counted in words and in characters as by Python", () => {
  for (const { text, rstrip, lstrip, strip, words } of golden.texts) {
    assert.deepEqual(
      [pythonTrimEnd(text), pythonTrimStart(text), pythonStrip(text), countWords(text)],
      [rstrip, lstrip, strip, words],
      JSON.stringify(text),
    );
  }
  for (const { text, length } of golden.lengths) assert.equal(numCharacters(text), length);
});

test("the chance of a deviation is the complementary error function's", () => {
  for (const { z, p } of golden.twoSided) {
    assert.ok(Math.abs(twoSided(z) - p) <= 1e-12 + 1e-9 * p, `${z}: ${twoSided(z)}, ${p}`);
    assert.equal(twoSided(-z), twoSided(z));
  }
});
