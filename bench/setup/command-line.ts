/**
 * The first import of every program here: `--help` prints the program's head, which says how it is called and what it
 * stands for, before anything is loaded; a mistake on the command line is one line, not a stack trace. Knows no
 * program's options.
 */
import { readFileSync } from "node:fs";
import { EngramError } from "../../src/errors.ts";

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
