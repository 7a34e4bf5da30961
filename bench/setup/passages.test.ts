import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "../../src/numerics/index.ts";
import { findPassages } from "./passages.ts";

const random = Random.fromSeed(3, "passages");
const draw = (length: number): number[] => Array.from({ length }, () => random.int(40));

test("the exact passage lies around the longest match, and goes on as the corpus does", () => {
  const corpus = draw(3000);
  const before = [...draw(20), ...corpus.slice(1000, 1012)];
  const [found] = findPassages(Int32Array.from(corpus), [before], { size: 60, vocabSize: 40 });
  assert.ok(found!.matched >= 12);
  assert.deepEqual(Array.from(found!.exact), corpus.slice(992, 1052));
});

test("the passage by overlap is one that shares the rarest of what was read, also where it was read long before", () => {
  const corpus = draw(3000);
  const before = [...corpus.slice(2000, 2030), ...draw(20)];
  const [found, none] = findPassages(Int32Array.from(corpus), [before, [41, 41, 41]], {
    size: 60,
    vocabSize: 42,
  });
  const text = Array.from(found!.overlap).join(" ");
  assert.ok(text.includes(corpus.slice(2000, 2030).join(" ")));
  assert.deepEqual([none!.matched, none!.exact], [0, none!.overlap]);
});
