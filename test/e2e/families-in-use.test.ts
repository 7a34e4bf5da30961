/** Sessions side by side on models of outside families. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { createSampler, Scheduler } from "../../src/inference/index.ts";
import { loadModel } from "../../src/index.ts";

const families = fileURLToPath(new URL("../golden/families", import.meta.url));
const prompts = [
  [1, 9, 30, 12, 7, 41, 22, 8, 8, 19],
  [1, 5],
  [1, 9, 30, 12, 33],
];

for (const family of ["gpt2", "mistral", "gpt_neox", "qwen2"]) {
  test(`${family}: texts side by side, and one that begins as another, go on as each alone`, async () => {
    await using model = await loadModel(join(families, family));
    const sampler = createSampler({ temperature: 0 });
    const alone = await Promise.all(
      prompts.map(async (promptIds) => {
        await using session = model.createSession();
        const ids: number[] = [];
        let { logits } = await session.append(promptIds);
        while (ids.length < 12) {
          ids.push(sampler(logits, []));
          ({ logits } = await session.append([ids.at(-1)!]));
        }
        return ids;
      }),
    );
    const scheduler = new Scheduler(model.language, { parallel: 2 });
    const together = await Promise.all(
      prompts.map(async (promptIds) => {
        const ids: number[] = [];
        for await (const step of scheduler.submit({ promptIds, maxTokens: 12, sampler }))
          if (step.kind === "token") ids.push(step.id);
        return ids;
      }),
    );
    await scheduler.close();
    assert.deepEqual(together, alone);
  });
}
