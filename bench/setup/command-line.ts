/**
 * The first import of every program here: `--help` prints the program's head, which says how it is called and what it
 * stands for, before anything is loaded; a mistake on the command line is one line, not a stack trace. Options and words
 * are read by their defaults: a default that is a number makes a number. Knows no program's options.
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { EngramError, InvalidConfigError } from "../../src/errors.ts";

const program = process.argv[1]!;

if (process.argv.slice(2).some((word) => word === "--help" || word === "-h")) {
  const [, head] = /^\/\*\*\n([\s\S]*?)\n \*\//.exec(readFileSync(program, "utf8"))!;
  process.stdout.write(`${head!.replaceAll(/^ \* ?/gm, "")}\n`);
  process.exit(0);
}

process.on("uncaughtException", (error: NodeJS.ErrnoException) => {
  const isUse = error instanceof EngramError || error.code?.startsWith("ERR_PARSE_ARGS_") === true;
  if (isUse) process.stderr.write(`${error.message}\n--help says how it is called\n`);
  else console.error(error);
  process.exit(isUse ? 2 : 1);
});

/** In place of a default: a string that has to be given. */
export const needed: unique symbol = Symbol("needed");

type Default = string | number | boolean | typeof needed | undefined;

type Given<T extends Default> = T extends number
  ? number
  : T extends boolean
    ? boolean
    : T extends string | typeof needed
      ? string
      : string | undefined;

type AllGiven<T> = {
  -readonly [Name in keyof T]: T[Name] extends Default ? Given<T[Name]> : never;
};

type Defaults = Readonly<Record<string, Default>>;

/** `--NAME VALUE` for each name; `--NAME` alone where the default is a boolean. */
export function readOptions<const O extends Defaults>(options: O): AllGiven<O> {
  return readWords({}, options) as AllGiven<O>;
}

/** Words in the order of their names, of which the last may be left out; and options, as above. */
export function readWords<const W extends Defaults, const O extends Defaults = {}>(
  words: W,
  options?: O,
): AllGiven<W> & AllGiven<O> {
  const inOrder = Object.entries(words);
  const named = Object.entries(options ?? {});
  const { values, positionals } = parseArgs({
    allowPositionals: inOrder.length > 0,
    options: Object.fromEntries(
      named.map(([name, default_]) => [
        name,
        { type: typeof default_ === "boolean" ? "boolean" : "string" },
      ]),
    ),
  });
  if (positionals.length > inOrder.length)
    throw new InvalidConfigError(
      `expected at most ${inOrder.length} words (${inOrder.map(([name]) => name).join(" ")}), got ${positionals.length}`,
    );
  return Object.fromEntries([
    ...inOrder.map(([name, default_], i) => [name, given(name, positionals[i], default_)]),
    ...named.map(([name, default_]) => [name, given(`--${name}`, values[name], default_)]),
  ]) as AllGiven<W> & AllGiven<O>;
}

function given(name: string, word: string | boolean | undefined, default_: Default): unknown {
  if (word === undefined && default_ === needed)
    throw new InvalidConfigError(`${name} has to be given`);
  if (word === undefined || typeof default_ !== "number") return word ?? default_;
  if (word === "" || !Number.isFinite(Number(word)))
    throw new InvalidConfigError(`expected a number for ${name}, got "${word}"`);
  return Number(word);
}
