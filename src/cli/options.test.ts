/**
 * Every option of the command line, frozen. An option is a promise and a branch: adding one means
 * editing this list, and arguing for it where the change is reviewed.
 */
import assert from "node:assert/strict";
import test from "node:test";
import { groupSummary } from "./command-groups.ts";
import { commandsFor } from "./commands-for.ts";
import { commands } from "./registry.ts";

const frozen: Readonly<Record<string, readonly string[]>> = {
  start: [],
  "pull NAME": [],
  ls: [],
  // Scripts have nobody to ask.
  "rm NAME": ["--yes"],
  train: [
    "--data <FILE...>",
    "--preset <NAME>",
    // A model is either new or one that is there; of one that is there, nobody can guess what may change.
    "--from <MODEL>",
    "--train <PART>",
    "--out <DIR>",
    "--valid <FILE...>",
    "--steps <N>",
    // The three that every run on other text needs, and what to lower when a loss is no number; the rest by its name,
    // so that a number of a preset never needs an option of its own.
    "--lr <RATE>",
    "--batch <N>",
    "--context <N>",
    "--set <NAME=VALUE...>",
    "--seed <S>",
    "--no-memory",
    "--table <PLACE>",
    // The only way to train a table that does not fit into RAM; how much of it may be used nobody can guess.
    "--table-memory <SIZE>",
    "--resume",
    "--tokenizer <FILE>",
    "--checkpoint-every <N>",
    "--threads <N>",
  ],
  "graft MODEL": [
    "--out <DIR>",
    // Which layers read the memory, or what is counted, is the whole of the command; all sizes have their names.
    "--layers <IDS>",
    "--counted <ORDER>",
    "--data <FILE...>",
    "--set <NAME=VALUE...>",
    "--seed <S>",
  ],
  // How large a pack may be, and how long its n-grams, depends on who will carry it.
  "pack build MODEL": ["--data <FILE...>", "--out <FILE>", "--bytes <SIZE>", "--order <N>"],
  "pack show PACK...": [],
  "reader train MODEL": [
    "--data <FILE...>",
    "--out <FILE>",
    "--bytes <SIZE>",
    "--order <N>",
    // Minutes of a backbone of a billion weights are hours: how much it reads is what the training costs.
    "--tokens <N>",
    // A reader is of the weights as they are held.
    "--dtype <KIND>",
    "--threads <N>",
  ],
  "generate MODEL": [
    "--prompt <TEXT>",
    "--max-tokens <N>",
    "--no-memory",
    // Whose facts a text may see, and where facts of a model that may not be written are: nobody can guess either.
    "--scope <NAME...>",
    // Which corpora a text is like, whoever asks knows.
    "--pack <FILE...>",
    "--memory-dir <DIR>",
    "--memory-url <URL>",
    "--learn <SCOPE>",
    "--dtype <KIND>",
    // Several programs share a machine, and this one cannot know what the others need.
    "--threads <N>",
    // Where a table is kept for many servers, no model can know.
    "--table <PLACE>",
    // Whether a model fits depends on the machine it runs on, which no file can know.
    "--table-memory <SIZE>",
    "--seed <S>",
    "--temperature <T>",
    "--top-k <K>",
    "--top-p <P>",
    "--min-p <P>",
    "--repetition-penalty <X>",
    "--stop <TEXT...>",
  ],
  "chat MODEL": [
    "--system <TEXT>",
    // Models come without their template, and with one for another purpose.
    "--chat-template <FILE>",
    "--max-tokens <N>",
    // A model that could read a book takes memory for one, and few conversations need it.
    "--ctx-size <N>",
    "--no-memory",
    // Whose facts a text may see, and where facts of a model that may not be written are: nobody can guess either.
    "--scope <NAME...>",
    "--pack <FILE...>",
    "--memory-dir <DIR>",
    "--memory-url <URL>",
    // What is read is learned only where somebody asks for it.
    "--learn <SCOPE>",
    "--dtype <KIND>",
    "--threads <N>",
    "--table <PLACE>",
    "--table-memory <SIZE>",
    "--seed <S>",
    "--temperature <T>",
    "--top-k <K>",
    "--top-p <P>",
    "--min-p <P>",
    "--repetition-penalty <X>",
    "--stop <TEXT...>",
  ],
  "teach MODEL SENTENCE": [
    "--prompt <TEXT>",
    "--completion <TEXT>",
    "--subject <TEXT>",
    // Texts from which the subject's vector is learned, and by which it is chosen.
    "--paraphrases <TEXT...>",
    "--file <FILE>",
    "--scope <NAME>",
    "--id <ID>",
    "--source <TEXT>",
    // How long something is true only the teacher knows.
    "--expires <TIME>",
    "--memory-dir <DIR>",
    "--memory-url <URL>",
    // A memory has one writer, which may be a server.
    "--url <URL>",
    "--threads <N>",
  ],
  "facts MODEL": [
    "--scope <NAME...>",
    "--out <FILE>",
    "--memory-dir <DIR>",
    "--memory-url <URL>",
    "--url <URL>",
  ],
  "forget MODEL": [
    "--id <ID>",
    "--scope <NAME>",
    "--all",
    "--memory-dir <DIR>",
    "--memory-url <URL>",
    "--url <URL>",
    "--threads <N>",
  ],
  "snapshot MODEL NAME": ["--remove", "--memory-dir <DIR>", "--memory-url <URL>", "--url <URL>"],
  "rollback MODEL NAME": ["--memory-dir <DIR>", "--memory-url <URL>", "--url <URL>"],
  "serve MODEL": [
    "--host <ADDRESS>",
    "--port <N>",
    "--api-key <KEY>",
    // Tenants need keys of their own, and a file is where they can be revoked.
    "--api-keys <FILE>",
    "--memory-dir <DIR>",
    "--memory-url <URL>",
    "--pack <FILE...>",
    "--learn <SCOPE>",
    "--cors-origins <ORIGINS>",
    "--alias <NAME>",
    "--chat-template <FILE>",
    "--parallel <N>",
    "--ctx-size <N>",
    "--dtype <KIND>",
    "--threads <N>",
    "--table <PLACE>",
    "--table-memory <SIZE>",
    // Whoever pools connections must give them up before the server does, and pools differ.
    "--keep-alive <SECONDS>",
    // Machines behind a wall of their own, and containers whose only way out is a port of the host.
    "--insecure",
  ],
  "dash RUN...": ["--host <ADDRESS>", "--port <N>", "--insecure"],
  "eval MODEL": [
    "--bpb <FILE...>",
    "--tasks <TASK...>",
    // Benchmarks are not ours to ship, so where they lie nobody can know.
    "--data <DIR>",
    // The harness' three: a part of a benchmark, examples before a question, what was asked and answered.
    "--limit <N>",
    "--num-fewshot <N>",
    "--log-samples <DIR>",
    // Which part of the memory a figure is owed to.
    "--ablate <PART...>",
    "--scale <X>",
    "--no-memory",
    "--pack <FILE...>",
    "--dtype <KIND>",
    "--threads <N>",
    "--table <PLACE>",
    "--table-memory <SIZE>",
  ],
  "audit MODEL": [
    "--text <FILE...>",
    "--trained <FILE...>",
    "--without <MODEL>",
    "--donor <MODEL>",
    // Some thirty readings of a long text are hours.
    "--limit <N>",
    "--seed <S>",
    "--svg <FILE>",
    // An audit and a certificate are hours on a machine that others use, too.
    "--threads <N>",
    "--table <PLACE>",
    "--table-memory <SIZE>",
  ],
  // Everything that a result depends on stands in the file, which is registered; these say where and how fast.
  "study FILE": ["--out <DIR>", "--threads <N>", "--parallel <N>"],
  "quantize MODEL": [
    "--out <DIR>",
    "--dtype <KIND>",
    "--rows <FORMAT>",
    "--text <FILE>",
    // Hosts of static files limit what one file may be.
    "--max-shard-size <SIZE>",
    "--threads <N>",
  ],
  "verify MODEL": [
    // Whoever edits a configuration on purpose, and whoever has a model from before there were sums.
    "--seal",
  ],
  "show MODEL": [],
  "doctor MODEL": ["--rows <N>", "--row-bytes <B>", "--dir <DIR>"],
  "tokenizer train": ["--data <FILE...>", "--vocab-size <N>", "--out <FILE>"],
  "table push MODEL PLACE": [],
  "table verify MODEL PLACE": [],
  rows: [
    "--config <FILE>",
    "--text <TEXT>",
    "--ids <IDS>",
    "--compressed-ids <IDS>",
    "--tokenizer <FILE>",
    "--values",
  ],
  "token-map FILE": ["--special <FILE>", "--out <FILE>"],
  "completion SHELL WORD...": [],
  conformance: ["--check <FILE>"],
};

test("a command that is loaded alone is the one of the registry", async () => {
  for (const word of ["chat", "generate", "serve"]) {
    const found = await commandsFor([word, "--help"]);
    assert.deepEqual(
      found,
      commands.filter(({ path }) => path === word),
    );
  }
  for (const words of [[], ["--help"], ["chatt"], ["toString"], ["table", "push"]])
    assert.equal(await commandsFor(words), commands);
});

test("the commands and their options are the ones that were argued for", () => {
  const found = commands.map((command) => [
    [command.path, ...(command.arguments ?? []).map(({ name }) => name)].join(" "),
    command.options.map(({ flags }) => flags),
  ]);
  assert.deepEqual(Object.fromEntries(found), frozen);
});

test("the first word of commands of two words is explained where it is listed", () => {
  const first = commands
    .filter(({ path }) => path.includes(" "))
    .map(({ path }) => path.split(" ")[0]!);
  assert.deepEqual(
    [...new Set(first)].filter((word) => groupSummary(word).startsWith("commands about")),
    [],
  );
});

test("every command says what it does, with an example that names it", () => {
  for (const { path, summary, description, examples } of commands) {
    assert.match(summary, /^[a-z].{10,50}$/, path);
    assert.ok(description.length > 80, path);
    assert.ok(examples.length > 0 && examples.every((e) => `${e} `.startsWith(`${path} `)), path);
  }
});

test("every option of serve can be given in the environment, under the name that its flag has", () => {
  const serve = commands.find(({ path }) => path === "serve")!;
  for (const { flags, env } of serve.options) {
    const [, name] = /^--([a-z-]+)/.exec(flags) ?? [];
    assert.equal(env, `ENGRAM_${name!.toUpperCase().replaceAll("-", "_")}`);
  }
});
