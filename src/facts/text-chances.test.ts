import assert from "node:assert/strict";
import { test } from "node:test";
import { servedModel } from "../../test/models/served-model.ts";
import { TextChances } from "./text-chances.ts";

const words = "the cat sat on the mat and zembla is the capital of onhava again ";

for (const [kind, options] of Object.entries({
  "counts and rows": { countedOrder: 3 },
  "no memory": { hasMemory: false },
}))
  test(`the chances of a text are those of a session's logits, however long it is (${kind})`, async () => {
    await using model = await servedModel(options);
    const { maxPositions, vocabSize } = model.config;
    const all = Array.from(await model.tokenizer.encode(words.repeat(20)));
    assert.ok(all.length > maxPositions + 2);
    await using chances = new TextChances(model.language);
    for (const length of [2, 9, 17, 18, 40, maxPositions, maxPositions + 1]) {
      const ids = all.slice(0, length);
      await using session = model.createSession();
      const { logits } = await session.append(ids.slice(0, -1), { logits: "all" });
      const expected = ids.slice(1).map((id, at) => {
        const row = Array.from(logits.subarray(at * vocabSize, (at + 1) * vocabSize));
        return row[id]! - Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0));
      });
      const read = await chances.read(ids, 0);
      assert.deepEqual([read.ids, read.from, read.logProbs.length], [ids, 1, length - 1]);
      for (const [i, logProb] of read.logProbs.entries())
        assert.ok(Math.abs(logProb - expected[i]!) < 1e-4, `${length}: ${logProb}, ${expected[i]}`);
      const later = await chances.read(ids, 5);
      assert.deepEqual(later.logProbs, read.logProbs.slice(length > 5 ? 4 : length));
    }
    // What does not fit goes from the front.
    const long = await chances.read(all, all.length - 3);
    assert.deepEqual([long.ids.length, long.from], [maxPositions + 1, maxPositions - 2]);
    assert.deepEqual(long.logProbs, (await chances.read(long.ids, maxPositions - 2)).logProbs);
    assert.deepEqual((await chances.read([3], 0)).logProbs, []);
  });
