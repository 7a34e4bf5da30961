import assert from "node:assert/strict";
import test, { before } from "node:test";
import * as fc from "fast-check";
import { randomModel, smallConfig, smallEngram } from "../test/models/random-model.ts";
import { generateText, type TextModel } from "./generate-text.ts";
import { Decoder } from "./inference/index.ts";
import { referenceBackend } from "./tensor/index.ts";
import { StopStrings } from "./stop-strings.ts";
import { parseTokenizerJson, toTokenizerJson, trainBpe } from "./tokenizer/index.ts";

test("stop strings cut at the first one, however the text is split", () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 4 }), {
        maxLength: 12,
      }),
      fc.array(fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 1, maxLength: 4 }), {
        maxLength: 3,
      }),
      (pieces, stops) => {
        const whole = pieces.join("");
        const stopper = new StopStrings(stops);
        let passed = "";
        for (const piece of pieces) {
          passed += stopper.push(piece);
          assert.ok(whole.startsWith(passed));
        }
        passed += stopper.end();
        // Found as soon as one is complete: cut where that one begins, the longest if several end there.
        let expected = whole;
        for (let end = 1; end <= whole.length; end++) {
          const found = stops
            .filter((stop) => whole.slice(0, end).endsWith(stop))
            .map((stop) => end - stop.length);
          if (found.length === 0) continue;
          expected = whole.slice(0, Math.min(...found));
          break;
        }
        if (pieces.every((piece) => piece.length <= 1)) assert.equal(passed, expected);
        else assert.ok(stops.every((stop) => !passed.includes(stop)));
        assert.equal(
          stopper.found,
          stops.some((stop) => whole.includes(stop)),
        );
      },
    ),
  );
});

let model: TextModel;

before(async () => {
  const text = "the cat sat on the mat. The mat sat under the cat. ";
  const json = toTokenizerJson(await trainBpe([text.repeat(9)], { vocabSize: 290 }));
  const tokenizer = await parseTokenizerJson(json);
  const engram = { ...smallEngram, compressedVocabSize: tokenizer.vocabSize };
  const config = { ...smallConfig, vocabSize: tokenizer.vocabSize, engram };
  const decoder = new Decoder(await randomModel(referenceBackend(), config));
  model = { tokenizer, createSession: () => decoder.createSession() };
});

async function write(options: Parameters<typeof generateText>[2]): Promise<string[]> {
  const pieces: string[] = [];
  for await (const piece of generateText(model, "the cat", { seed: 2, ...options }))
    pieces.push(piece);
  return pieces;
}

test("pieces are never half a character", async () => {
  const pieces: string[] = [];
  for (let seed = 0; seed < 6; seed++)
    pieces.push(...(await write({ maxTokens: 12, temperature: 3, seed })));
  assert.ok(pieces.length > 20);
  // A random model writes random bytes: U+FFFD may stand for broken ones, lone surrogates never.
  for (const piece of pieces) assert.ok(piece.isWellFormed(), JSON.stringify(piece));
});

test("a stop string ends the text before it", async () => {
  const whole = (await write({ maxTokens: 16, temperature: 0 })).join("");
  const stop = whole.slice(5, 8);
  const stopped = (await write({ maxTokens: 16, temperature: 0, stop: [stop] })).join("");
  assert.equal(stopped, whole.slice(0, whole.indexOf(stop)));
});

test("the end says why and after how many tokens", async () => {
  const last = async (options: Parameters<typeof generateText>[2]) => {
    const pieces = generateText(model, "the cat", { temperature: 0, ...options });
    let step = await pieces.next();
    while (!step.done) step = await pieces.next();
    return step.value;
  };
  assert.deepEqual(await last({ maxTokens: 3 }), { finishReason: "length", numTokens: 3 });
  const text = (await write({ maxTokens: 16, temperature: 0 })).join("");
  const { finishReason } = await last({ maxTokens: 16, stop: [text.slice(2, 4)] });
  assert.equal(finishReason, "stop");
});

test("the same seed writes the same text, another one another", async () => {
  const options = { maxTokens: 12, temperature: 1 };
  assert.deepEqual(await write(options), await write(options));
  assert.notDeepEqual(await write(options), await write({ ...options, seed: 3 }));
});

test("half a character is refused, where an encoder would read another text", async () => {
  await assert.rejects(generateText(model, "a \ud83d b").next(), {
    name: "RequestError",
    message: /lone surrogate/,
  });
});

test("a prompt that does not fit is refused with the numbers", async () => {
  const tokens = generateText(model, "cat ".repeat(60));
  await assert.rejects(tokens.next(), /tokens exceed the model's context of 32; shorten/);
});
