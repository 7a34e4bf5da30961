/** Sessions side by side, and memories, on models of outside families. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { graftModel } from "../../src/graft-model.ts";
import { createSampler, Scheduler } from "../../src/inference/index.ts";
import { loadModel } from "../../src/index.ts";
import { referenceBackend } from "../../src/tensor/index.ts";

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

  test(`${family}: a memory is added, and changes no logit until it is trained`, async () => {
    const out = await mkdtemp(join(tmpdir(), "engram-family-graft-"));
    try {
      const rows = {
        layerIds: [1],
        maxNgramSize: 3,
        numHeads: 2,
        headDim: 8,
        minBucketRows: [50, 60],
      };
      await graftModel(join(families, family), { out: join(out, "model"), rows });
      await using before = await loadModel(join(families, family), { backend: referenceBackend });
      await using after = await loadModel(join(out, "model"), { backend: referenceBackend });
      assert.equal(after.hasMemory, true);
      const [theirs, ours] = [before, after].map((model) => model.createSession());
      const expected = await theirs!.append(prompts[0]!, { logits: "all" });
      const found = await ours!.append(prompts[0]!, { logits: "all" });
      assert.deepEqual(found.logits, expected.logits);
      assert.equal(found.rows.get(1)!.length, prompts[0]!.length * 4);
    } finally {
      await rm(out, { recursive: true });
    }
  });
}
