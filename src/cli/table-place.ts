/**
 * `--table PLACE` and `--table-memory SIZE`: where a model's tables are read from. For all commands that load a model.
 */
import * as z from "zod";
import type { Place } from "../at-rest/node/index.ts";
import { InvalidConfigError } from "../errors.ts";
import type { LoadModelOptions } from "../load-model.ts";
import { sentenceOf } from "../schema-words.ts";
import { byteSize } from "./arguments.ts";
import type { CommandContext, CommandOption } from "./command.ts";

/** Passwords belong in the environment: other users of a machine can see command lines. */
export const tableOptions: readonly CommandOption[] = [
  {
    flags: "--table <PLACE>",
    description: "where the tables are: ram, cache:SIZE, a redis: or http: address, or a directory",
    env: "ENGRAM_TABLE",
  },
  {
    flags: "--table-memory <SIZE>",
    description: "do not load the tables; cache them in SIZE of RAM, such as 512MiB",
    env: "ENGRAM_TABLE_MEMORY",
  },
];

export const tableSchema: {
  readonly table: z.ZodOptional<z.ZodString>;
  readonly tableMemory: z.ZodOptional<typeof byteSize>;
} = {
  table: z.string().min(1, "expected a place, got an empty string").optional(),
  tableMemory: byteSize.optional(),
};

export interface TableInput {
  readonly table?: string | undefined;
  readonly tableMemory?: number | undefined;
}

/** What these options mean to `loadModel`. */
export function tablePlacement(
  { table, tableMemory }: TableInput,
  env: CommandContext["env"],
): Pick<LoadModelOptions, "table" | "tableMemory"> {
  const memory = tableMemory === undefined ? {} : { tableMemory };
  if (table === undefined) return memory;
  const [, cache] = /^cache:(.*)$/.exec(table) ?? [];
  if (table !== "ram" && cache === undefined) return { ...memory, table: placeOf(table, env) };
  if (tableMemory !== undefined)
    throw new InvalidConfigError(
      `--table ${table} already says how much RAM the tables use; leave out --table-memory`,
    );
  if (cache === undefined) return {};
  const size = byteSize.safeParse(cache);
  if (!size.success) throw new InvalidConfigError(`--table ${table}: ${sentenceOf(size.error)}`);
  return { tableMemory: size.data };
}

/** A place outside the model's directory. Headers for a web server come from the environment alone. */
export function placeOf(address: string, env: CommandContext["env"]): Place {
  if (/^(ram$|cache:)/.test(address))
    throw new InvalidConfigError(
      `${address} is memory of this process; expected a redis: or http: address, or a directory`,
    );
  const text = env["ENGRAM_TABLE_HEADERS"] ?? "";
  const headers: Record<string, string> = {};
  for (const line of text.split("\n").filter((one) => one.trim() !== "")) {
    const colon = line.indexOf(":");
    if (colon < 1)
      throw new InvalidConfigError(
        'ENGRAM_TABLE_HEADERS: expected one header per line, such as "Authorization: Bearer ..."',
      );
    headers[line.slice(0, colon).trim()] = line.slice(colon + 1).trim();
  }
  return { address, headers };
}
