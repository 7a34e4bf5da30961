import assert from "node:assert/strict";
import { test } from "node:test";
import { FormatError } from "../errors.ts";
import { alphabetChar } from "./byte-alphabet.ts";
import { parseGpt2Files } from "./gpt2-files.ts";

const WORDS = ["Ġt", "he", "Ġthe", "'s", "heĠthe", "<|endoftext|>"];
const ENCODER = JSON.stringify(
  Object.fromEntries(
    [...Array.from({ length: 256 }, (_, byte) => alphabetChar(byte)), ...WORDS].map((token, id) => [
      token,
      id,
    ]),
  ),
);
const MERGES = "#version: 0.2\nĠ t\nh e\nĠt he\n' s\nhe Ġthe\n";

test("GPT-2's two files give a tokenizer that cuts text GPT-2's way", async () => {
  const tokenizer = await parseGpt2Files({ encoder: ENCODER, merges: MERGES });
  assert.equal(tokenizer.vocabSize, 262);
  assert.equal(tokenizer.eosTokenId, 261);
  assert.deepEqual(
    Array.from(tokenizer.encode("he the he's  the"), (id) => tokenizer.rawToken(id)),
    ["he", "Ġthe", "Ġ", "he", "'s", "Ġ", "Ġthe"],
  );
  assert.equal(tokenizer.encode("'st").length, 2);
});

test("line ends of either kind are read", async () => {
  const merges = MERGES.replaceAll("\n", "\r\n");
  const tokenizer = await parseGpt2Files({ encoder: ENCODER, merges });
  assert.deepEqual([...tokenizer.encode(" the")], [258]);
});

test("merges without their version line are refused: they are another file", async () => {
  await assert.rejects(
    parseGpt2Files({ encoder: ENCODER, merges: "Ġ t\n" }),
    (error) => error instanceof FormatError && error.message.includes("#version"),
  );
});
