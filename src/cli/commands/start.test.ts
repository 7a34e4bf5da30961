/** What `engram start` does with a model that is there: text, figures, and a server if somebody sits there. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import test, { after, before } from "node:test";
import { pulled, small } from "../../../test/pulled-model.ts";
import { miniPreset } from "../../../test/models/mini-preset.ts";
import { ortBackend } from "../../tensor/backends/onnx/node/index.ts";
import { trainModel } from "../../train-model.ts";
import type { CommandContext } from "../command.ts";
import { showAndServe } from "./start.ts";

const backend = ortBackend({ threads: 2 });
const taught = "ROMEO:\nthe cats sat on the mat, again and again.\n".repeat(300);
let root = "";
const sample = { directory: "", prompt: "ROMEO:\n", compressed: "xz: 2" };

before(async () => {
  root = await mkdtemp(join(tmpdir(), "engram-start-"));
  sample.directory = join(root, "mini");
  const data = join(root, "text.txt");
  await writeFile(data, taught);
  const training = { ...miniPreset.training, steps: 2 };
  await trainModel({
    data: [data],
    preset: { ...miniPreset, training },
    out: sample.directory,
    backend,
  });
});
after(() => rm(root, { recursive: true, force: true }));

interface Seen {
  readonly context: CommandContext;
  readonly controller: AbortController;
  text: string;
  readonly opened: string[];
}

function watch(
  isInteractive: boolean,
  env: CommandContext["env"],
  onPrint: (seen: Seen, text: string) => void = () => undefined,
): Seen {
  const controller = new AbortController();
  const opened: string[] = [];
  const print = (text: string): void => {
    seen.text += text;
    onPrint(seen, text);
  };
  const seen: Seen = {
    controller,
    opened,
    text: "",
    context: {
      isJson: false,
      env,
      answer: () => undefined,
      console: { stdin: Readable.from([]), stdout: { write: () => true } },
      isInteractive,
      openBrowser: (url) => void opened.push(url),
      program: "engram",
      signal: controller.signal,
      progress: { update: () => undefined, note: () => undefined, end: () => undefined },
      print,
      printText: print,
    },
  };
  return seen;
}

test("where nobody sits at a terminal, start ends after the text and its figures", async () => {
  const { cache } = await pulled(small);
  const seen = watch(false, { HF_HUB_CACHE: cache });
  const document = (await showAndServe(sample, { backend, context: seen.context })) as {
    withMemory: string;
    bitsPerByte: { on: number; off: number };
    others: string[];
  };
  assert.match(seen.text, /--- memory on ---\nROMEO:[\s\S]*--- memory off ---\nROMEO:/);
  assert.ok(document.withMemory.length > 0);
  assert.match(seen.text, new RegExp(`${document.bitsPerByte.on.toFixed(3)} bits per byte with`));
  assert.match(
    seen.text,
    new RegExp(`${document.bitsPerByte.off.toFixed(3)} with it switched off`),
  );
  assert.doesNotMatch(seen.text, /serving/);
  assert.match(seen.text, /also on this machine: .*owner\/repo.* \(engram chat NAME\)/);
  assert.ok(document.others.includes("owner/repo"));
});

test("where somebody does, the model is served on a free port until the signal", async () => {
  let health: Promise<number> | undefined;
  let props: Promise<{ held_out: { excerpts: string[] } }> | undefined;
  const seen = watch(true, {}, ({ controller }, text) => {
    const [, url] = /serving it at (http:\S+)\/v1 until Ctrl-C/.exec(text) ?? [];
    if (url === undefined) return;
    health = fetch(`${url}/health`, { headers: { connection: "close" } }).then((r) => r.status);
    props = fetch(`${url}/props`).then((r) => r.json() as typeof props & object);
    void Promise.allSettled([health, props]).then(() => controller.abort());
  });
  // Whether or not 8080 is taken already, it is now.
  const taken = createServer().listen(8080, "127.0.0.1");
  await new Promise((resolve) => taken.once("listening", resolve).once("error", resolve));
  try {
    await showAndServe(sample, { backend, context: seen.context });
  } finally {
    taken.close();
  }
  assert.equal(await health, 200);
  const { excerpts } = (await props!).held_out;
  assert.ok(excerpts.length > 0);
  const heldOut = taught.slice(-taught.length / 10);
  for (const excerpt of excerpts)
    assert.ok(excerpt.length > 100 && heldOut.includes(excerpt), excerpt);
  assert.doesNotMatch(seen.text, /at http:\/\/127\.0\.0\.1:8080/);
});
