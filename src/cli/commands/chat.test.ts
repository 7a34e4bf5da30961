/** `engram chat` as somebody at a terminal, or a script, meets it: what is typed, what comes. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import test, { after } from "node:test";
import { fileURLToPath } from "node:url";
import { runCli } from "../run-cli.ts";
import { chatCommand } from "./chat.ts";

const shakespeare = fileURLToPath(new URL("../../../assets/shakespeare", import.meta.url));
const scratch = await mkdtemp(join(tmpdir(), "engram-chat-"));
after(() => rm(scratch, { recursive: true, force: true }));

/** One line a message, so that a base model can be talked with. */
const template = join(scratch, "lines.jinja");
await writeFile(
  template,
  "{%- for m in messages -%}{{ m.role | upper + ':\n' + m.content + '\n\n' }}{%- endfor -%}" +
    "{%- if add_generation_prompt -%}{{ 'ASSISTANT:\n' }}{%- endif -%}",
);

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** `type` is called with everything shown so far whenever more is shown, and returns what to type next. */
async function chat(
  words: readonly string[],
  {
    stdin = "",
    type,
    signal = new AbortController().signal,
  }: {
    stdin?: string;
    type?: (shown: string) => string | undefined;
    signal?: AbortSignal;
  } = {},
): Promise<Ran> {
  const input = new PassThrough();
  let out = "";
  let err = "";
  let shown = "";
  const show = (text: string): void => {
    shown += text;
    const typed = type?.(shown);
    if (typed !== undefined) input.write(typed);
  };
  if (type === undefined) input.end(stdin);
  const code = await runCli(["chat", shakespeare, ...words, "--threads", "1"], {
    commands: [chatCommand],
    stdin: input,
    stdout: { columns: 80, write: (text) => ((out += text), show(text)) },
    stderr: { write: (text) => ((err += text), show(text)) },
    env: {},
    signal,
    terminal: { isInteractive: type !== undefined, openBrowser: undefined },
  });
  return { code, out, err };
}

const short = ["--max-tokens", "6", "--temperature", "0"];
// oxlint-disable-next-line no-control-regex -- what must not be there
const control = /[\u0000-\u0009\u000b-\u001f\u007f]/;

test("lines of a pipe are answered in their order, and answers alone are on stdout", async () => {
  const { code, out, err } = await chat(short, { stdin: "ROMEO:\n\nJULIET:" });
  assert.equal(code, 0, err);
  assert.doesNotMatch(out, control);
  const { out: json } = await chat([...short, "--json"], { stdin: "ROMEO:\n\nJULIET:" });
  const { messages } = JSON.parse(json);
  assert.deepEqual(
    messages.map(({ role }: { role: string }) => role),
    ["user", "assistant", "user", "assistant"],
  );
  assert.equal(out, `${messages[1].content}\n${messages[3].content}\n`);
  assert.match(err, /base model without a chat template.*one running text/);
});

test("a template makes a base model answer turns, told by the system first", async () => {
  const { code, out, err } = await chat(
    [...short, "--chat-template", template, "--system", "Speak.", "--json"],
    { stdin: '"""\nGood\nmorrow.\n"""\n' },
  );
  assert.equal(code, 0, err);
  const { messages } = JSON.parse(out);
  assert.deepEqual(messages.slice(0, 2), [
    { role: "system", content: "Speak." },
    { role: "user", content: "Good\nmorrow." },
  ]);
  assert.ok(messages[2].content.length > 0);
  assert.doesNotMatch(err, /base model/);
});

test("a base model cannot be told anything by --system, and a missing template is named", async () => {
  const told = await chat([...short, "--system", "Speak."]);
  assert.deepEqual([told.code, /--chat-template/.test(told.err)], [2, true]);
  const missing = await chat([...short, "--chat-template", join(scratch, "none")]);
  assert.deepEqual([missing.code, /none: no such file/.test(missing.err)], [2, true]);
  const broken = join(scratch, "broken.jinja");
  await writeFile(broken, "{% for %}");
  const refused = await chat([...short, "--chat-template", broken], { stdin: "a\n" });
  assert.deepEqual([refused.code, /template does not take/.test(refused.err)], [2, true]);
});

test("commands in a pipe work, say so on stderr, and a wrong one says so and loses no line after it", async () => {
  const file = join(scratch, "saved.json");
  const script = `/memory 0.5\nROMEO:\n/gates\n/save ${file}\n/reset\nJULIET:\n/memory off\n/memory\n`;
  const { code, out, err } = await chat(short, { stdin: script });
  assert.equal(code, 0, err);
  assert.equal(out.split("\n").length > 2, true);
  assert.match(err, /used 0\.5 times[\s\S]*layer 1[\s\S]*mean of \d+ tokens/);
  assert.match(err, /saved 2 messages[\s\S]*a new conversation[\s\S]*is off\n[\s\S]*is off\n/);
  const saved = JSON.parse(await readFile(file, "utf8"));
  assert.deepEqual(
    [saved.model, saved.messages[0]],
    [shakespeare, { role: "user", content: "ROMEO:" }],
  );
  for (const [line, message] of [
    ["/memroy off", /there is no \/memroy; \/help/],
    ["/memory of", /off, on or a factor.*"of"/],
    ["/save", /needs the name/],
    [`/save ${file}`, /saved\.json exists; give another name/],
  ] as const) {
    const wrong = await chat([...short, "--json"], { stdin: `${line}\nROMEO:\n` });
    assert.equal(wrong.code, 0, line);
    assert.match(wrong.err, message);
    assert.equal(JSON.parse(wrong.out).messages[0].content, "ROMEO:", line);
  }
  assert.equal(JSON.parse(await readFile(file, "utf8")).messages.length, 2);
});

test("a smaller context than the model's is held to, and a larger one is refused", async () => {
  const stdin = `${"ROMEO: ".repeat(20)}\n`;
  const { code, err } = await chat([...short, "--ctx-size", "32"], { stdin });
  assert.deepEqual([code, /the context holds 32; shorten it/.test(err)], [2, true], err);
  assert.equal((await chat([...short, "--ctx-size", "32"], { stdin: "ROMEO:\n" })).code, 0);
  const refused = await chat([...short, "--ctx-size", "999"]);
  assert.deepEqual([refused.code, /must hold 1\.\.256 tokens/.test(refused.err)], [2, true]);
});

test("a model without its memory has none to switch", async () => {
  const { code, out, err } = await chat([...short, "--no-memory"], {
    stdin: "/memory on\nROMEO:\n",
  });
  assert.deepEqual([code, /no memory/.test(err), out.length > 0], [0, true, true]);
});

const ctrlC = "\u0003";
const ctrlD = "\u0004";

/** Types each of `steps` once its sign has been shown behind what was seen before. */
function typing(...steps: readonly (readonly [sign: RegExp, typed: string])[]) {
  let next = 0;
  let seen = 0;
  return (shown: string): string | undefined => {
    const step = steps[next];
    const at = step && step[0].exec(shown.slice(seen));
    if (!at) return undefined;
    seen += at.index + at[0].length;
    next++;
    return step[1];
  };
}

const prompt = /\(\d+ of 256 tokens[^)]*\) > /;

test("at a terminal the prompt shows context and speed, and an error does not end it", async () => {
  const type = typing(
    [prompt, "ROMEO:\r"],
    [/\(\d+ of 256 tokens, \d+ tok\/s\) > /, "/nothing\r"],
    [/there is no \/nothing[\s\S]*> /, ctrlD],
  );
  const { code, out, err } = await chat(short, { type });
  assert.equal(code, 0, err);
  assert.match(out + err, /\/help lists commands/);
  assert.match(out, /\(0 of 256 tokens\) > /);
});

test("Ctrl-C stops an answer, and what was typed meanwhile is the next input", async () => {
  let typed = 0;
  const type = (shown: string): string | undefined => {
    if (typed === 0 && prompt.test(shown)) return (typed++, "ROMEO:\r");
    const [, answer = ""] = shown.split("ROMEO:\r");
    if (typed === 1 && answer.trim().length > 10) return (typed++, `/help\r${ctrlC}`);
    if (typed === 2 && /stopped[\s\S]*\/reset {2}/.test(shown)) return (typed++, ctrlD);
    return undefined;
  };
  const { code, out, err } = await chat(["--max-tokens", "200"], { type });
  assert.equal(code, 0, err);
  assert.equal(typed, 3);
  assert.ok(out.length > 0);
});

test("Ctrl-C at the prompt drops the line and says how to leave; twice it leaves", async () => {
  const type = typing([prompt, `not sent${ctrlC}`], [/once more/, ctrlC]);
  const { code, out } = await chat(short, { type });
  assert.equal(code, 0);
  assert.match(out, /not sent/);
  const messages = out.split("once more")[1]!;
  assert.doesNotMatch(messages, /tok\/s/);
});

test("a signal to stop ends the conversation at once, at the prompt and before it", async () => {
  const controller = new AbortController();
  const type = (shown: string): undefined => void (prompt.test(shown) && controller.abort());
  const { code } = await chat(short, { type, signal: controller.signal });
  assert.equal(code, 130);
  const before = await chat(short, { type: () => undefined, signal: AbortSignal.abort() });
  assert.equal(before.code, 130);
});
