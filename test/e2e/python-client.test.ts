/** The server as OpenAI's Python client uses it; skipped where that is not installed. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import test from "node:test";
import { createServer, listen } from "../../src/index-server.ts";
import { servedModel } from "../models/served-model.ts";

const program = `
import json, sys
from openai import OpenAI, BadRequestError, NotFoundError
client = OpenAI(base_url=sys.argv[1], api_key="none", max_retries=0)
chat = dict(model="tiny", messages=[{"role": "user", "content": "the cat"}], temperature=0, max_tokens=12)
whole = client.chat.completions.create(**chat)
found = {"text": whole.choices[0].message.content, "id": whole._request_id}
found["streamed"] = "".join(c.choices[0].delta.content or "" for c in client.chat.completions.create(**chat, stream=True))
found["models"] = [m.id for m in client.models.list()]
found["numbers"] = len(client.embeddings.create(model="tiny", input="the cat").data[0].embedding)
form = {"type": "json_schema", "json_schema": {"name": "a", "strict": True, "schema": {
    "type": "object", "properties": {"a": {"enum": ["x", "y"]}}, "required": ["a"], "additionalProperties": False}}}
found["json"] = client.chat.completions.create(**{**chat, "max_tokens": 100}, response_format=form).choices[0].message.content
try: client.chat.completions.create(**chat, store=True)
except BadRequestError as error: found["refused"] = error.param
try: client.responses.create(model="tiny", input="the cat")
except NotFoundError as error: found["responses"] = error.message
print(json.dumps(found))
`;

test("OpenAI's Python client chats, streams, embeds, is given JSON, and is told what is not there", async (t) => {
  const python = process.env["ENGRAM_LM_EVAL"] || "python3";
  const probe = "import importlib.util as u; exit(not u.find_spec('openai'))";
  if (spawnSync(python, ["-c", probe]).status !== 0)
    return t.skip(`${python} has no openai (ENGRAM_LM_EVAL names a Python that has)`);
  await using model = await servedModel({ withChat: true });
  const server = createServer(model, { alias: "tiny" });
  await server.ready;
  const listener = await listen(server.fetch, { host: "127.0.0.1", port: 0 });
  try {
    const child = spawn(python, ["-c", program, `${listener.url}/v1`]);
    let out = "";
    let err = "";
    child.stdout.on("data", (chunk: Buffer) => void (out += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => void (err += chunk.toString()));
    const code = await new Promise((resolve) => child.on("close", resolve));
    assert.equal(code, 0, err);
    const found = JSON.parse(out);
    assert.equal(found.streamed, found.text);
    assert.match(found.id, /^req_/);
    assert.deepEqual(found.models, ["tiny"]);
    assert.equal(found.numbers, model.config.hiddenSize);
    assert.ok(["x", "y"].includes(JSON.parse(found.json).a));
    assert.equal(found.refused, "store");
    assert.match(found.responses, /use \/v1\/chat\/completions/);
  } finally {
    listener.destroy();
    await listener.close();
    await server.close();
  }
});
