/** The server as Python's clients use it: OpenAI's, and schemathesis by its description. Skipped where they are not installed. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after, before, type TestContext } from "node:test";
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

/** It leaves its examples in the folder where it runs. */
const startSchemathesis = `
import os, sys
from schemathesis.cli import schemathesis
os.chdir(sys.argv[1])
schemathesis(sys.argv[2:])
`;

const python = process.env["ENGRAM_LM_EVAL"] || "python3";
const model = await servedModel({ withChat: true });
const server = createServer(model, { alias: "tiny" });
let listener: Awaited<ReturnType<typeof listen>>;
before(async () => {
  await server.ready;
  listener = await listen(server.fetch, { host: "127.0.0.1", port: 0 });
});
after(async () => {
  listener.destroy();
  await listener.close();
  await server.close();
  await model.close();
});

function isThere(t: TestContext, name: string): boolean {
  const probe = "import importlib.util as u, sys; exit(not u.find_spec(sys.argv[1]))";
  if (spawnSync(python, ["-c", probe, name]).status === 0) return true;
  t.skip(`${python} has no ${name} (ENGRAM_LM_EVAL names a Python that has)`);
  return false;
}

async function runPython(...words: string[]): Promise<{ code: unknown; out: string; err: string }> {
  const child = spawn(python, words);
  let [out, err] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => void (out += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => void (err += chunk.toString()));
  const code = await new Promise((resolve) => child.on("close", resolve));
  return { code, out, err };
}

test("OpenAI's Python client chats, streams, embeds, is given JSON, and is told what is not there", async (t) => {
  if (!isThere(t, "openai")) return;
  const { code, out, err } = await runPython("-c", program, `${listener.url}/v1`);
  assert.equal(code, 0, err);
  const found = JSON.parse(out);
  assert.equal(found.streamed, found.text);
  assert.match(found.id, /^req_/);
  assert.deepEqual(found.models, ["tiny"]);
  assert.equal(found.numbers, model.config.hiddenSize);
  assert.ok(["x", "y"].includes(JSON.parse(found.json).a));
  assert.equal(found.refused, "store");
  assert.match(found.responses, /use \/v1\/chat\/completions/);
});

test("schemathesis finds nothing that the description does not say", async (t) => {
  if (!isThere(t, "schemathesis")) return;
  const folder = mkdtempSync(join(tmpdir(), "engram-schemathesis-"));
  t.after(() => rmSync(folder, { recursive: true }));
  // Bodies that no schema allows, and bodies that it does. What fields demand of each other, and the ids of this
  // vocabulary, stand in the errors alone; so a 400 to a body that the schema allows is no finding.
  const options = "--exclude-checks positive_data_acceptance --phases fuzzing --max-examples 8";
  const quick = "--seed 1 --no-shrink --continue-on-failure --suppress-health-check all";
  const words = ["run", `${listener.url}/openapi.json`, ...options.split(" "), ...quick.split(" ")];
  const { code, out, err } = await runPython("-c", startSchemathesis, folder, ...words);
  assert.equal(code, 0, out + err);
  const [, tested] = /Tested: (\d+)/.exec(out) ?? [];
  assert.ok(Number(tested) >= 23, out);
});
