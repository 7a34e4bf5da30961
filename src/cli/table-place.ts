/**
 * `--table PLACE` and `--table-memory SIZE`: from where a model's tables are read, for all commands that load one.
 */
import * as z from "zod";
import type { Place } from "../at-rest/node/index.ts";
import { InvalidConfigError } from "../errors.ts";
import type { LoadModelOptions } from "../load-model.ts";
import { byteSize } from "./arguments.ts";
import type { CommandOption } from "./command.ts";

/** Passwords belong into the environment: other users of a machine see command lines. */
export const tableOptions: readonly CommandOption[] = [
  {
    flags: "--table <PLACE>",
    description: "read the tables from: ram, cache:SIZE, a redis: or http: address, a directory",
    env: "ENGRAM_TABLE",
  },
  {
    flags: "--table-memory <SIZE>",
    description: "leave the tables where they are, behind SIZE of RAM, such as 512MiB",
    env: "ENGRAM_TABLE_MEMORY",
  },
];

export const tableSchema: {
  readonly table: z.ZodOptional<z.ZodString>;
  readonly tableMemory: z.ZodOptional<typeof byteSize>;
} = {
  table: z.string().min(1, "expected a place, got an empty text").optional(),
  tableMemory: byteSize.optional(),
};

interface TableInput {
  readonly table?: string | undefined;
  readonly tableMemory?: number | undefined;
}

/** What these options mean to `loadModel`. */
export function tablePlacement({
  table,
  tableMemory,
}: TableInput): Pick<LoadModelOptions, "table" | "tableMemory"> {
  const memory = tableMemory === undefined ? {} : { tableMemory };
  if (table === undefined) return memory;
  const [, cache] = /^cache:(.*)$/.exec(table) ?? [];
  if (table !== "ram" && cache === undefined) return { ...memory, table: placeOf(table) };
  if (tableMemory !== undefined)
    throw new InvalidConfigError(
      `--table ${table} says how much RAM the tables get; leave --table-memory out`,
    );
  if (cache === undefined) return {};
  const size = byteSize.safeParse(cache);
  if (!size.success)
    throw new InvalidConfigError(`--table ${table}: ${z.prettifyError(size.error)}`);
  return { tableMemory: size.data };
}

/** A place outside the model's directory. Headers for a web server come from the environment alone. */
export function placeOf(address: string): Place {
  if (/^(ram$|cache:)/.test(address))
    throw new InvalidConfigError(`${address} is memory of this machine; give a place that lasts`);
  const text = process.env["ENGRAM_TABLE_HEADERS"] ?? "";
  const headers: Record<string, string> = {};
  for (const line of text.split("\n").filter((one) => one.trim() !== "")) {
    const colon = line.indexOf(":");
    if (colon < 1)
      throw new InvalidConfigError(
        'ENGRAM_TABLE_HEADERS has lines such as "Authorization: Bearer ...", one for each header',
      );
    headers[line.slice(0, colon).trim()] = line.slice(colon + 1).trim();
  }
  return { address, headers };
}
