/**
 * The frame with commands made up for the purpose: what lands on stdout, what on stderr, which code.
 */
import assert from "node:assert/strict";
import { Readable } from "node:stream";
import test from "node:test";
import * as z from "zod";
import { InvalidConfigError, StoreError } from "../errors.ts";
import { byteSize, decimal, idList, path, wholeNumber } from "./arguments.ts";
import { type Command, defineCommand } from "./command.ts";
import { runCli } from "./run-cli.ts";

const sum = defineCommand({
  path: "number add",
  summary: "add numbers",
  description: "Adds whole numbers.",
  arguments: [{ name: "FIRST", description: "a number" }],
  options: [
    { flags: "--plus <N>", description: "another", isRequired: true },
    { flags: "--ids <IDS>", description: "some more" },
    { flags: "--scale <X>", description: "a factor" },
    { flags: "--data <FILE...>", description: "files" },
    { flags: "--no-echo", description: "say nothing" },
  ],
  examples: ["number add 1 --plus 2"],
  schema: z.object({
    first: wholeNumber(0),
    plus: wholeNumber(1),
    ids: idList(-1).optional(),
    scale: decimal(0, 2).default(1),
    data: z.array(path).optional(),
    echo: z.boolean(),
  }),
  async run({ first, plus, ids = [], scale, data, echo }, { print, progress }) {
    progress.note("adding");
    const total = scale * ids.reduce((a, b) => a + b, first + plus);
    if (echo) print(`${total}\n`);
    return data === undefined ? { total } : { total, data };
  },
});

function failing(path_: string, error: unknown): Command {
  return defineCommand({
    path: path_,
    summary: path_,
    description: path_,
    options: [],
    examples: [],
    schema: z.object({}),
    run: () => Promise.reject(error),
  });
}

async function run(
  words: string[],
  options: { commands?: Command[]; env?: Record<string, string>; isTTY?: boolean } = {},
): Promise<{ code: number; out: string; err: string }> {
  let out = "";
  let err = "";
  const code = await runCli(words, {
    commands: options.commands ?? [sum],
    stdin: Readable.from([]),
    stdout: { isTTY: options.isTTY ?? false, write: (text) => (out += text) },
    stderr: { write: (text) => (err += text) },
    env: options.env ?? {},
    signal: new AbortController().signal,
    terminal: { isInteractive: false, openBrowser: undefined },
  });
  return { code, out, err };
}

test("a command's text goes to stdout, its progress to stderr, and it succeeds", async () => {
  assert.deepEqual(await run(["number", "add", "1", "--plus", "2"]), {
    code: 0,
    out: "3\n",
    err: "adding\n",
  });
});

test("under --json stdout is one document and nothing else", async () => {
  const { code, out } = await run(["number", "add", "1", "--plus", "2", "--json"]);
  assert.equal(code, 0);
  assert.equal(out, '{"total":3}\n');
});

test("values that begin with a minus, lists of files and negated options are read", async () => {
  const words = "number add 1 --plus 2 --ids -1,7 --scale .5 --data a b --no-echo --json".split(
    " ",
  );
  assert.equal((await run(words)).out, '{"total":4.5,"data":["a","b"]}\n');
});

test("an argument with dots behind its name takes one or more", async () => {
  const list = defineCommand({
    path: "list",
    summary: "list",
    description: "list",
    arguments: [{ name: "RUN...", description: "directories" }],
    options: [],
    examples: ["list a"],
    schema: z.object({ run: z.array(path) }),
    run: async ({ run: directories }) => ({ directories }),
  });
  const commands = [list];
  assert.equal((await run(["list", "a", "--json"], { commands })).out, '{"directories":["a"]}\n');
  assert.equal(
    (await run(["list", "a", "b", "--json"], { commands })).out,
    '{"directories":["a","b"]}\n',
  );
  const { code, err } = await run(["list"], { commands });
  assert.deepEqual([code, err], [2, "engram: missing required argument 'RUN'\n"]);
  assert.match(
    (await run(["list", "a", ""], { commands })).err,
    /^engram: RUN\.\.\.: expected a path/,
  );
});

test("a value of the wrong kind is bad input that names the option and the value", async () => {
  for (const [words, message] of [
    [["x", "--plus", "2"], 'FIRST: expected a whole number of at least 0, got "x"'],
    [["1", "--plus", "0"], '--plus: expected a whole number of at least 1, got "0"'],
    [["1", "--plus", "9007199254740993"], "--plus: expected a whole number"],
    [["1", "--plus", "2", "--ids", "3,,4"], "--ids: expected ids of at least -1"],
    [["1", "--plus", "2", "--scale", "3"], '--scale: expected a number from 0 to 2, got "3"'],
    [["1", "--plus", "2", "--scale", "NaN"], "--scale: expected a number"],
  ] as const) {
    const { code, out, err } = await run(["number", "add", ...words]);
    assert.equal(code, 2);
    assert.equal(out, "");
    assert.ok(err.startsWith(`engram: ${message}`), err);
    assert.equal(err.split("\n").length, 2);
  }
});

test("bad use is code 2 and one sentence, for every way of it", async () => {
  for (const words of [
    ["nubmer"],
    ["number", "ad"],
    ["number", "add"],
    ["number", "add", "1"],
    ["number", "add", "1", "2", "--plus", "3"],
    ["number", "add", "1", "--plus"],
    ["number", "add", "1", "--plus", "2", "--plsu", "3"],
    ["--nope"],
  ]) {
    const { code, out, err } = await run(words);
    assert.equal(code, 2, words.join(" "));
    assert.equal(out, "", words.join(" "));
    assert.match(err, /^engram: .+\n$/, words.join(" "));
  }
});

test("a word that is like none there is leads to the help", async () => {
  for (const words of [["help"], ["number", "xyz"], ["number", "add", "1", "--quiet"]]) {
    const { err } = await run(words);
    assert.match(err, /^engram: unknown .+; --help lists what there is\n$/, words.join(" "));
  }
});

test("bad use under --json is a document, too", async () => {
  const { code, out } = await run(["number", "add", "1", "--json"]);
  assert.equal(code, 2);
  const { error } = JSON.parse(out);
  assert.equal(error.code, "bad_usage");
  assert.match(error.message, /--plus/);
});

test("no command at all is bad use, and shows the help on stderr", async () => {
  const { code, out, err } = await run([]);
  assert.equal(code, 2);
  assert.equal(out, "");
  assert.match(err, /Usage: engram/);
  assert.doesNotMatch(err, /outputHelp/);
});

test("help and version are results: stdout, code 0", async () => {
  const help = await run(["--help"]);
  assert.equal(help.code, 0);
  assert.match(help.out, /number +/);
  assert.equal(help.err, "");
  const version = await run(["--version"]);
  assert.equal(version.code, 0);
  assert.match(version.out, /^\d+\.\d+\.\d+\n$/);
});

test("the help of a command has its description, options and examples", async () => {
  const { code, out } = await run(["number", "add", "--help"]);
  assert.equal(code, 0);
  for (const part of [
    "Adds whole numbers.",
    "--plus <N>",
    "--json",
    "engram number add 1 --plus 2",
  ])
    assert.ok(out.includes(part), part);
});

test("errors end with the code their kind asks for", async () => {
  const missing = Object.assign(new Error("ENOENT"), { code: "ENOENT", path: "a.txt" });
  const commands = [
    failing("config", new InvalidConfigError("not so")),
    failing("store", new StoreError("disk full")),
    failing("missing", missing),
    failing("bug", new TypeError("x is not a function")),
    failing("stop", new DOMException("stopped", "AbortError")),
  ];
  const expected = {
    config: [2, "invalid_config", "not so"],
    store: [1, "store_failed", "disk full"],
    missing: [2, "bad_path", "a.txt: no such file or directory; check the path"],
    bug: [1, "internal", /^TypeError: x is not a function \(a bug/],
    stop: [130, "aborted", "stopped on request"],
  } as const;
  for (const [name, [code, word, message]] of Object.entries(expected)) {
    const result = await run([name, "--json"], { commands });
    assert.equal(result.code, code, name);
    const { error } = JSON.parse(result.out);
    assert.equal(error.code, word);
    if (typeof message === "string") assert.equal(error.message, message);
    else assert.match(error.message, message);
    assert.equal((await run([name], { commands })).out, "");
  }
});

test("a command that goes on may print its document before, and none follows, an error neither", async () => {
  const answering = (path_: string, after: () => Promise<object>): Command =>
    defineCommand({
      path: path_,
      summary: path_,
      description: path_,
      options: [],
      examples: [],
      schema: z.object({}),
      async run(_input, { answer }) {
        answer({ url: "here" });
        return after();
      },
    });
  const commands = [
    answering("ends", async () => ({ url: "there" })),
    answering("fails", () => Promise.reject(new StoreError("disk full"))),
  ];
  for (const [name, code] of [
    ["ends", 0],
    ["fails", 1],
  ] as const) {
    const result = await run([name, "--json"], { commands });
    assert.deepEqual([result.code, result.out], [code, '{"url":"here"}\n']);
    assert.equal((await run([name], { commands })).out, "");
  }
});

test("a message of several lines becomes one sentence", async () => {
  const commands = [failing("two", new InvalidConfigError("first\n  second"))];
  assert.equal((await run(["two"], { commands })).err, "engram: first; second\n");
});

test("what a stranger's file is called gives the terminal no commands, wherever it stands", async () => {
  const name = "w\u001b]0;title\u0007\u202e";
  const commands = [failing("bad", new InvalidConfigError(name))];
  assert.equal((await run(["bad"], { commands })).err, "engram: w\ufffd]0;title\ufffd\ufffd\n");
  const says: Command = {
    ...sum,
    async run(_input, { print, progress }) {
      progress.note(name);
      print(name);
      return { name: `${name}\u009b` };
    },
  };
  const words = ["number", "add", "1", "--plus", "2"];
  const { err, out } = await run(words, { commands: [says] });
  assert.equal(err, "w\ufffd]0;title\ufffd\ufffd\n");
  assert.equal(out, "w\ufffd]0;title\ufffd\ufffd");
  const json = await run([...words, "--json"], { commands: [says] });
  assert.match(json.out, /^[\n -~]+$/);
  assert.deepEqual(JSON.parse(json.out), { name: `${name}\u009b` });
});

test("an option that is misspelt is the error, and not that it is missing", async () => {
  const { code, err } = await run(["number", "add", "1", "--pluss", "2"]);
  assert.deepEqual([code, err], [2, "engram: unknown option '--pluss'; (Did you mean --plus?)\n"]);
  assert.match((await run(["number", "add", "1"])).err, /required option '--plus/);
});

test("what a model writes gives a terminal no commands, and a pipe every character", async () => {
  const text = "a\tb\u001b[2J\r\n";
  const says: Command = {
    ...sum,
    run: async (_input, { printText }) => {
      printText(text);
      return {};
    },
  };
  const words = ["number", "add", "1", "--plus", "2"];
  assert.equal((await run(words, { commands: [says] })).out, text);
  const shown = await run(words, { commands: [says], isTTY: true });
  assert.equal(shown.out, "a\tb\ufffd[2J\ufffd\n");
});

test("the stack is shown under ENGRAM_DEBUG=1 and not otherwise", async () => {
  const commands = [failing("bug", new TypeError("oops"))];
  assert.doesNotMatch((await run(["bug"], { commands })).err, /run-cli\.test/);
  const { err } = await run(["bug"], { commands, env: { ENGRAM_DEBUG: "1" } });
  assert.match(err, /run-cli\.test/);
});

test("sizes are read in powers of ten and of two, and nonsense is refused with an example", () => {
  const sizes: [string, number][] = [
    ["4096", 4096],
    ["512MiB", 512 * 2 ** 20],
    ["1.5 GB", 1.5e9],
    ["64KiB", 65_536],
    ["7B", 7],
  ];
  for (const [text, bytes] of sizes) assert.equal(byteSize.parse(text), bytes, text);
  for (const text of ["", "0", "-1", "1e9", "MiB", "12 parsecs", "0.1", "9999999999GiB"])
    assert.throws(() => byteSize.parse(text), /such as 512MiB/, text);
});
