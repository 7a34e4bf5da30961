import assert from "node:assert/strict";
import test from "node:test";
import { smallConfig } from "../../test/models/random-model.ts";
import { InvalidConfigError } from "../errors.ts";
import { modelConfigToJson, parseDocumentStart, parseModelConfig } from "./index.ts";

const { engram: _, ...plain } = smallConfig;

test("where documents start is written out, and read back as it was", () => {
  for (const config of [plain, { ...plain, documentStart: 0 }, { ...plain, documentStart: 39 }]) {
    const json = { model_type: "engram", eos_token_id: 7, ...modelConfigToJson(config) };
    assert.deepEqual(parseModelConfig(json, {}), config);
  }
});

test("a model of ours from before the key has it from its end-of-text token, others have none", () => {
  const { document_start_token_id: _key, model_type: _type, ...before } = modelConfigToJson(plain);
  const read = (json: object): number | undefined => parseDocumentStart({ ...before, ...json });
  const ours = { ...before, model_type: "engram", eos_token_id: 7 };
  assert.equal(parseModelConfig(ours, {}).documentStart, 7);
  assert.equal(read({ model_type: "engram", eos_token_id: 7 }), 7);
  assert.equal(read({ model_type: "engram", eos_token_id: 0 }), 0);
  assert.equal(read({ model_type: "engram" }), undefined);
  assert.equal(read({ model_type: "deepseek_v41", eos_token_id: 1 }), undefined);
  assert.equal(read({ model_type: "qwen3", eos_token_id: 7 }), undefined);
  assert.equal(read({ eos_token_id: 7 }), undefined);
  assert.equal(read({ model_type: "qwen3", document_start_token_id: 3 }), 3);
});

test("what is no token of the model is refused by name and value", () => {
  const json = modelConfigToJson(plain);
  for (const value of [-1, 1.5, "0", [0], true, Number.NaN])
    assert.throws(
      () => parseDocumentStart({ ...json, document_start_token_id: value }),
      /"document_start_token_id" must be a token id or null, got /,
    );
  assert.throws(
    () => parseDocumentStart({ model_type: "engram", eos_token_id: [1, 2] }),
    /"eos_token_id" must be a token id or null, got \[1,2\]/,
  );
  assert.throws(
    () => parseModelConfig({ ...json, document_start_token_id: 40 }, {}),
    (error) =>
      error instanceof InvalidConfigError && /40 is outside .* 0\.\.39/.test(error.message),
  );
});
