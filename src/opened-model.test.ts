import assert from "node:assert/strict";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { toBeClose } from "../test/conformance/close.ts";
import { loadModel } from "./load-model.ts";
import { referenceBackend } from "./tensor/index.ts";

test("a session without the memory reads no rows, and has the logits of a memory scaled to nothing", async () => {
  const path = fileURLToPath(new URL("../assets/shakespeare", import.meta.url));
  await using model = await loadModel(path, { backend: referenceBackend() });
  const ids = [33, 5, 7, 700];
  await using off = model.createSession({ memory: false });
  await using scaled = model.createSession({ view: { scale: 0 } });
  await using on = model.createSession();
  const [without, nothing, whole] = [
    await off.append(ids),
    await scaled.append(ids),
    await on.append(ids),
  ];
  assert.deepEqual([without.rows.size, nothing.rows.size, whole.rows.size], [0, 1, 1]);
  toBeClose(without.logits, nothing.logits, { rtol: 1e-5, atol: 1e-5 });
  assert.ok(whole.logits.some((one, i) => Math.abs(one - without.logits[i]!) > 0.1));
});
