/**
 * A command of `engram`: words, options, a schema for them, and a function. `run-cli.ts` knows commands only through
 * this interface. A command does not know how it was called, nor whether its result becomes JSON or an exit code.
 */
import type * as z from "zod";
import type { Console } from "./chat-lines.ts";
import type { Progress } from "./progress.ts";

/** What a command may use besides its input. */
export interface CommandContext {
  /** Whether stdout is kept for the JSON document. */
  readonly isJson: boolean;
  /** Writes text for a reader to stdout, as `printable` has it; does nothing under `--json`. */
  print(text: string): void;
  /** The same for what a model writes: every character of it, but where stdout is a terminal. */
  printText(text: string): void;
  /**
   * Under `--json`, prints the command's document now, for commands that continue to run. The result of `run` is then
   * not printed.
   */
  answer(document: JsonDocument): void;
  /** Shows progress on stderr. */
  readonly progress: Progress;
  /** The program's name for hints: "engram", or the npm script that ran it. */
  readonly program: string;
  /** Aborted by Ctrl-C, SIGTERM, or the end of the terminal. */
  readonly signal: AbortSignal;
  /** For commands that read while they write. */
  readonly console: Console;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** A person is at the terminal; false under `--json` and in CI. */
  readonly isInteractive: boolean;
  /** Opens a page in the person's browser; absent without a screen. */
  readonly openBrowser: ((url: string) => void) | undefined;
}

/** What `--json` prints: one object. */
export type JsonDocument = object;

export interface CommandSpec<Schema extends z.ZodType> {
  /** Words after `engram`, for example "tokenizer train". */
  readonly path: string;
  /** One line, for the list of commands. */
  readonly summary: string;
  /** What the command does and which files it leaves, for a first-time user. */
  readonly description: string;
  readonly arguments?: readonly CommandArgument[];
  readonly options: readonly CommandOption[];
  /** Command lines that work, without the leading `engram`. */
  readonly examples: readonly string[];
  /** Input: arguments and options as written, under their names in camelCase. Output: `run`'s. */
  readonly schema: Schema;
  readonly run: (input: z.output<Schema>, context: CommandContext) => Promise<JsonDocument>;
}

export interface CommandArgument {
  /**
   * "FILE"; "RUN..." takes one or more, and `run` gets a list. For "MODEL", `run` gets a path where the user may have
   * given a name (`resolve-model.ts`).
   */
  readonly name: string;
  readonly description: string;
  readonly isOptional?: boolean;
}

export interface CommandOption {
  /** In commander's notation: "--steps <N>", "--data <FILE...>", "--resume". <MODEL> is as the argument of that name. */
  readonly flags: string;
  readonly description: string;
  readonly isRequired?: boolean;
  /** The environment variable that is used if the option is not given. */
  readonly env?: string;
}

/** A command without the type of its input, so that all fit into one list. */
export type Command = CommandSpec<z.ZodType<never>>;

/** Checks a command's types against each other. */
export function defineCommand<Schema extends z.ZodType>(spec: CommandSpec<Schema>): Command {
  // Sound, since `run` is only ever given what this same `schema` has produced.
  return spec as unknown as Command;
}
