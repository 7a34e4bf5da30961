import assert from "node:assert/strict";
import test from "node:test";
import { servedModel } from "../../test/models/served-model.ts";
import { createServer } from "./index.ts";

test("log-probabilities are the model's own, whatever bends the draw, and the description says so", async () => {
  await using model = await servedModel();
  const server = createServer(model);
  await server.ready;
  const id = (await model.tokenizer.encode("x"))[0]!;
  // oxlint-disable-next-line typescript/no-explicit-any -- answers of many shapes
  const ask = async (path: string, body?: object): Promise<any> => {
    const init = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
    return (await server.fetch(new Request(`http://engram${path}`, init))).json();
  };
  const logProbs = async (more: object) => {
    const request = { prompt: "the cat", max_tokens: 1, logprobs: 3, logit_bias: { [id]: 100 } };
    const { choices } = await ask("/v1/completions", { ...request, ...more });
    const { token_logprobs: own, top_logprobs: top } = choices[0].logprobs;
    // The second is read from the prefix cache, in sums of another order.
    const rounded = (value: number): number => Number(value.toFixed(4));
    return [rounded(own[0]), Object.entries(top[0]).map(([t, p]) => [t, rounded(p as number)])];
  };
  const bent = await logProbs({ temperature: 0.3, top_k: 1, min_p: 0.5, repetition_penalty: 2 });
  assert.deepEqual(bent, await logProbs({ temperature: 0 }));
  assert.ok(!JSON.stringify(bent).includes('"x"'), "the bias is none of the model's");
  const { paths } = await ask("/openapi.json");
  for (const path of ["/v1/completions", "/v1/chat/completions"]) {
    const { schema } = paths[path].post.requestBody.content["application/json"];
    assert.match(schema.properties.logprobs.description, /before temperature.*logit_bias/);
  }
  await server.close();
});
