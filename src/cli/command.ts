/**
 * What a command of `engram` is: words, options, a schema for what they may hold, and a function. The
 * frame (`run-cli.ts`) knows all commands only through this; a command does not know how it was
 * called, nor whether its result becomes JSON or an exit code.
 */
import type * as z from "zod";
import type { Progress } from "./progress.ts";

/** What a command may use of the world besides its input. */
export interface CommandContext {
  /** Whether stdout is kept for the JSON document. */
  readonly isJson: boolean;
  /** Writes text for a reader to stdout; does nothing under `--json`. */
  print(text: string): void;
  /**
   * Under `--json`, prints the command's document now: for commands that have said all there is to say and go on.
   * What `run` resolves to is then printed no more.
   */
  answer(document: JsonDocument): void;
  /** What is going on, on stderr. */
  readonly progress: Progress;
  /** How this command line was begun, for hints: "engram", or the npm script that ran it. */
  readonly program: string;
  /** Aborted by Ctrl-C, SIGTERM, or the end of the terminal. */
  readonly signal: AbortSignal;
  /** Somebody sits at the terminal and reads what is printed; never under `--json` or in CI. */
  readonly isInteractive: boolean;
  /** Shows a page to whoever sits there; absent where there is no screen to show it on. */
  readonly openBrowser: ((url: string) => void) | undefined;
}

/** What `--json` prints: one object. */
export type JsonDocument = object;

export interface CommandSpec<Schema extends z.ZodType> {
  /** Words after `engram`, for example "tokenizer train". */
  readonly path: string;
  /** One line, for the list of commands. */
  readonly summary: string;
  /** What the command does and what it leaves behind, for someone who has never run it. */
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
  /** "MODEL"; "RUN..." takes one or more, and `run` gets a list. */
  readonly name: string;
  readonly description: string;
  readonly isOptional?: boolean;
}

export interface CommandOption {
  /** In commander's notation: "--steps <N>", "--data <FILE...>", "--resume". */
  readonly flags: string;
  readonly description: string;
  readonly isRequired?: boolean;
  /** The environment variable that is read where the option is not written. */
  readonly env?: string;
}

/** A command with the type of its input forgotten, so that they fit into one list. */
export type Command = CommandSpec<z.ZodType<never>>;

/** Checks a command's types against each other. */
export function defineCommand<Schema extends z.ZodType>(spec: CommandSpec<Schema>): Command {
  // Sound, since `run` is only ever given what this same `schema` has produced.
  return spec as unknown as Command;
}
