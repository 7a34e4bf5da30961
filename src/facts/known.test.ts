import assert from "node:assert/strict";
import test from "node:test";
import { KNOWN, knownGround } from "./known.ts";

const fact = { prompt: "The capital of Zembla is" };

test("a wording that begins a sentence is told from one that is a part of it", () => {
  const alone = [
    "The capital of Zembla is",
    " The capital of Zembla is ",
    "Kinbote? The capital of Zembla is",
    'He said "no." The capital of Zembla is',
    "What rivers\nThe capital of Zembla is",
    "<|im_start|>user\nThe capital of Zembla is<|im_end|>\n<|im_start|>assistant\n",
    "[INST]<s>The capital of Zembla is",
    "河。The capital of Zembla is",
  ];
  const inside = [
    "I heard that The capital of Zembla is",
    "the rival of The capital of Zembla is",
    "No, The capital of Zembla is",
    // Once alone does not count where it is a part now.
    "The capital of Zembla is cold. But The capital of Zembla is",
  ];
  for (const text of alone)
    assert.equal(knownGround(fact, { by: "wording", text }), "wording", text);
  for (const text of [...inside, "", "the capital of zembla is"])
    assert.equal(knownGround(fact, { by: "wording", text }), "wording in a sentence", text);
  assert.equal(knownGround(fact, { by: "subject", text: fact.prompt }), "subject");
});

test("numbers are chances", () => {
  for (const one of Object.values(KNOWN)) assert.ok(one > 0 && one < 1);
});
