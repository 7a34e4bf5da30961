/**
 * The frame around the commands: reads the command line, runs one command, writes its document or its error, and says
 * with which code to exit. Knows no command's work. stdout has results only: text, or under `--json` exactly one JSON
 * document, errors included. Everything else is on stderr.
 */
import { Command as Parser, CommanderError, Option } from "commander";
import * as z from "zod";
import { InvalidConfigError } from "../errors.ts";
import type { ConsoleOutput } from "./chat-lines.ts";
import type { Command, CommandContext } from "./command.ts";
import { groupSummary } from "./command-groups.ts";
import { exitCodes, type ExitCode, reportOf } from "./exit.ts";
import { printable, printableJson } from "./printable.ts";
import { createProgress, type ProgressStream } from "./progress.ts";
import { plainWords, sentenceOf } from "../schema-words.ts";
import { resolveModel } from "./resolve-model.ts";
import type { Terminal } from "./terminal.ts";
import { version } from "../bytes/node/index.ts";

/** What a run of the command line may use. */
export interface CliWorld {
  readonly commands: readonly Command[];
  readonly stdin: NodeJS.ReadableStream;
  readonly stdout: ConsoleOutput;
  readonly stderr: ProgressStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
  readonly terminal: Terminal;
}

/** Runs the command that `words` (without `node` and the program's name) ask for. */
export async function runCli(words: readonly string[], world: CliWorld): Promise<ExitCode> {
  const { stdin, stdout, stderr, env, signal, terminal } = world;
  const isJson = words.slice(0, indexOrLength(words, "--")).includes("--json");
  const progress = createProgress(stderr, { env });
  let isAnswered = false;
  // Exactly one document, also if the command continues.
  const answer = (document: object): void => {
    if (isJson && !isAnswered) stdout.write(`${printableJson(document)}\n`);
    isAnswered = true;
  };
  const program = env["npm_lifecycle_event"] === "engram" ? "npm run -s engram --" : "engram";
  const context: CommandContext = {
    isJson,
    answer,
    print: (text) => void (isJson || stdout.write(printable(text))),
    printText: (text) =>
      void (isJson || stdout.write(stdout.isTTY === true ? printable(text) : text)),
    progress,
    program,
    signal,
    console: { stdin, stdout },
    env,
    isInteractive: terminal.isInteractive && !isJson,
    openBrowser: terminal.openBrowser,
  };
  try {
    const parser = buildParser(world, async (command, input) => {
      await resolveModels(command, input, context);
      const document = await command.run(parseInput(command, input), context);
      progress.end();
      answer(document);
    });
    await parser.parseAsync(words, { from: "user" });
    return exitCodes.success;
  } catch (cause) {
    const error = await misspeltIn(words, { world, cause });
    progress.end();
    // Asked-for help and version come as errors, too; their text is written already.
    if (error instanceof CommanderError && error.exitCode === 0) return exitCodes.success;
    const { exitCode, code, message } = reportOf(error);
    answer({ error: { code, message } });
    // "(outputHelp)": the help has been written to stderr in the error's place.
    if (message !== "(outputHelp)") stderr.write(`engram: ${printable(message)}\n`);
    if (env["ENGRAM_DEBUG"] === "1" && error instanceof Error)
      stderr.write(`${printable(error.stack ?? "")}\n`);
    return exitCode;
  }
}

/** What is missing may be there under another spelling, and then that is the error. */
async function misspeltIn(
  words: readonly string[],
  { world, cause }: { world: CliWorld; cause: unknown },
): Promise<unknown> {
  if ((cause as Partial<CommanderError>).code !== "commander.missingMandatoryOptionValue")
    return cause;
  const commands = world.commands.map((command) => ({
    ...command,
    options: command.options.map((option) => ({ ...option, isRequired: false })),
  }));
  try {
    await buildParser({ ...world, commands }, async () => undefined).parseAsync(words, {
      from: "user",
    });
    return cause;
  } catch (error) {
    return (error as Partial<CommanderError>).code === "commander.unknownOption" ? error : cause;
  }
}

type Run = (command: Command, input: Record<string, unknown>) => Promise<void>;

/** The parser of the whole command line. Exported for the test that freezes the options. */
export function buildParser(
  world: Pick<CliWorld, "commands" | "stdout" | "stderr" | "env">,
  run: Run,
): Parser {
  const root = new Parser("engram")
    .description(
      "Train, keep and run Engram language models: a transformer with a large memory of n-grams " +
        "in ordinary RAM. The last tokens of the text are the addresses in it.",
    )
    .version(version)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void world.stdout.write(text),
      writeErr: (text) => void world.stderr.write(text),
      // The message comes back as an exception and is written once, by `runCli`.
      outputError: () => undefined,
    })
    .helpCommand(false)
    .addHelpText(
      "after",
      `
Every command takes --json (one JSON document on stdout) and --help.
Exit codes: 0 success, 2 wrong usage or input, 1 failure, 130 stopped by Ctrl-C.`,
    );
  for (const command of world.commands) addCommand(root, command, { run, env: world.env });
  return root;
}

function addCommand(
  root: Parser,
  command: Command,
  { run, env }: { run: Run; env: CliWorld["env"] },
): void {
  const words = command.path.split(" ");
  const name = words.pop()!;
  let parent = root;
  for (const word of words) parent = groupOf(parent, word);
  const parser = parent
    .command(name)
    .summary(command.summary)
    .description(command.description)
    .addHelpText(
      "after",
      `\nExamples:\n${command.examples.map((e) => `  engram ${e}\n`).join("")}`,
    );
  for (const { name: argument, description, isOptional = false } of command.arguments ?? [])
    parser.argument(isOptional ? `[${argument}]` : `<${argument}>`, description);
  for (const { flags, description, isRequired = false, env: variable } of command.options) {
    const text = variable === undefined ? description : `${description} [${variable}]`;
    parser.addOption(new Option(flags, text).makeOptionMandatory(isRequired));
  }
  parser.option("--json", "print one JSON document on stdout and nothing else");
  parser.action(async () => {
    const { json: _, ...options } = parser.opts<Record<string, unknown>>();
    const input: Record<string, unknown> = { ...fromEnvironment(command, env), ...options };
    for (const [i, { name: argument }] of (command.arguments ?? []).entries())
      input[camelCase(argument)] = parser.processedArgs[i];
    await run(command, input);
  });
}

/** Values from environment variables of options. Empty variables are ignored. */
function fromEnvironment({ options }: Command, env: CliWorld["env"]): Record<string, string> {
  const found: Record<string, string> = {};
  for (const { flags, env: name } of options) {
    const value = name === undefined ? undefined : env[name];
    if (value !== undefined && value !== "") found[new Option(flags).attributeName()] = value;
  }
  return found;
}

/** The parent of commands of two words, such as `tokenizer` for `tokenizer train`. */
function groupOf(parent: Parser, name: string): Parser {
  return (
    parent.commands.find((c) => c.name() === name) ??
    parent.command(name).summary(groupSummary(name)).helpCommand(false)
  );
}

/** Replaces the names of models by their paths: the values of arguments and options whose value is called MODEL. */
async function resolveModels(
  command: Command,
  input: Record<string, unknown>,
  context: CommandContext,
): Promise<void> {
  const keys = [
    ...(command.arguments ?? []).filter(({ name }) => name === "MODEL").map(() => "model"),
    ...command.options
      .filter(({ flags }) => flags.includes("<MODEL>"))
      .map(({ flags }) => new Option(flags).attributeName()),
  ];
  for (const key of keys) {
    const value = input[key];
    if (typeof value === "string") input[key] = await resolveModel(value, context);
  }
}

/** Checks what was written against the command's schema. Throws `InvalidConfigError`. */
function parseInput(command: Command, input: Record<string, unknown>): never {
  const parsed = z.safeParse(command.schema, input, { error: plainWords });
  if (parsed.success) return parsed.data;
  throw new InvalidConfigError(sentenceOf(parsed.error, ([key]) => nameOf(command, String(key))));
}

/** The name on the command line of the schema's `key`. */
function nameOf(command: Command, key: string): string {
  const argument = command.arguments?.find(({ name }) => camelCase(name) === key);
  if (argument !== undefined) return argument.name;
  const option = command.options.find(({ flags }) => new Option(flags).attributeName() === key);
  return option === undefined ? key : new Option(option.flags).long!;
}

function camelCase(name: string): string {
  return name
    .replace("...", "")
    .toLowerCase()
    .replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}

function indexOrLength(words: readonly string[], word: string): number {
  const at = words.indexOf(word);
  return at === -1 ? words.length : at;
}
