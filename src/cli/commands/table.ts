/**
 * `engram table push` and `engram table verify`: copies a model's tables to another place, and compares them there
 * row by row.
 */
import * as z from "zod";
import {
  compareRows,
  countsIdentity,
  isReleasedLayout,
  locateCounts,
  locateTables,
  type OpenElsewhere,
  rowChunks,
  type TableAtRest,
  tableIdentity,
} from "../../at-rest/index.ts";
import { openPlace, type Place, writeElsewhere } from "../../at-rest/node/index.ts";
import type { ModelFiles } from "../../checkpoint/index.ts";
import { InvalidConfigError } from "../../errors.ts";
import { openFilesAt } from "../../load-model.ts";
import { findEngramConfig, type RowStore, type TableIdentity } from "../../memory/index.ts";
import { readModelConfig } from "../../model/index.ts";
import { path } from "../arguments.ts";
import { type Command, type CommandContext, defineCommand } from "../command.ts";
import { modelArgument } from "../resolve-model.ts";
import { placeOf } from "../table-place.ts";

const places =
  "PLACE is one of: redis[s]://user:password@host:port/NAME, a node of a Redis or Valkey cluster (default NAME: the " +
  "model's directory); a directory of table files; or http[s]://host/path, a web server with such files (read only). " +
  "The environment variable ENGRAM_TABLE can give it, too, and other users of the machine do not see that. " +
  "ENGRAM_TABLE_HEADERS has headers for a web server, one per line.";

const words = {
  arguments: [
    modelArgument,
    { name: "PLACE", description: "where the tables are (ENGRAM_TABLE)", isOptional: true },
  ],
  options: [],
  schema: z.object({ model: path, place: z.string().min(1).optional() }),
};

export const tablePushCommand: Command = defineCommand({
  ...words,
  path: "table push",
  summary: "copy a model's tables to a cluster, or to files",
  description: `Copies the tables of the model MODEL to PLACE, with a checksum for each row or block. ${places}`,
  examples: ["table push models/wiki redis://127.0.0.1:7000/wiki", "table push models/wiki tables"],
  async run(input, context) {
    const place = given(input.place, context.env);
    await using files = await openFilesAt(input.model);
    const { tables, identities, counts } = await tablesOf(files);
    for (const [i, table] of tables.entries()) {
      context.progress.update(named(table, counts));
      const identity = identities[i]!;
      await withStore(table, (source) =>
        writeElsewhere(place, {
          ...identity,
          format: table.format.name,
          model: files.path,
          source: stoppable(source, context.signal),
        }),
      );
    }
    return done("pushed", { tables, counts }, context);
  },
});

export const tableVerifyCommand: Command = defineCommand({
  ...words,
  path: "table verify",
  summary: "check every row of tables that were copied",
  description:
    "Reads all rows at PLACE and verifies their checksums. Compares them with the tables of the model " +
    `MODEL, if these have the same row format. ${places}`,
  examples: ["table verify models/wiki redis://127.0.0.1:7000/wiki"],
  async run(input, context) {
    const place = given(input.place, context.env);
    await using files = await openFilesAt(input.model);
    const { tables: there, counts } = await tablesOf(files, openPlace(place));
    const here = (await tablesOf(files).catch(() => undefined))?.tables;
    for (const [i, table] of there.entries()) {
      const own = here?.[i]?.format.name === table.format.name ? here[i] : undefined;
      await withStore(table, (store) =>
        own === undefined
          ? check(table, { store, context })
          : withStore(own, (rows) => check(table, { rows, store, context })),
      );
    }
    return done("verified", { tables: there, counts }, context);
  },
});

interface TablesOfModel {
  readonly tables: readonly TableAtRest[];
  readonly identities: readonly Omit<TableIdentity, "format">[];
  /** The one that has counts, if there is one. */
  readonly counts: TableAtRest | undefined;
}

/** All tables of a model: of its learned rows, then of its counts. Throws `InvalidConfigError` for one without. */
async function tablesOf(files: ModelFiles, elsewhere?: OpenElsewhere): Promise<TablesOfModel> {
  const engram = findEngramConfig(files.config);
  const tables = engram === undefined ? [] : await locateTables(files, engram, { elsewhere });
  const identities = engram === undefined ? [] : await tableIdentity(engram);
  // The released layout has tables and no model that could be computed here.
  const isReleased = engram !== undefined && (await isReleasedLayout(files, engram));
  const config = isReleased ? undefined : await readModelConfig(files.config, engram);
  const counts = config && (await locateCounts(files, config, { elsewhere }));
  if (counts !== undefined) {
    tables.push(counts.table);
    identities.push(await countsIdentity(await counts.directory(), counts.table.layerId));
  }
  if (tables.length === 0)
    throw new InvalidConfigError(`${files.path}: the model has no memory, so it has no tables`);
  return { tables, identities, counts: counts?.table };
}

async function check(
  { layerId, numRows }: TableAtRest,
  { rows: own, store, context }: { rows?: RowStore; store: RowStore; context: CommandContext },
): Promise<void> {
  for (const rows of rowChunks(store)) {
    context.signal.throwIfAborted();
    if (own !== undefined) await compareRows(rows, { own, store, layerId });
    else await store.read(rows, new Uint8Array(rows.length * store.rowBytes));
    context.progress.update(`layer ${layerId}: ${rows.at(-1)! + 1}/${numRows} rows`);
  }
}

async function withStore<T>(table: TableAtRest, body: (store: RowStore) => Promise<T>): Promise<T> {
  const store = await table.open();
  try {
    return await body(store);
  } finally {
    await store.close();
  }
}

function stoppable(source: RowStore, signal: AbortSignal): RowStore {
  const { numRows, rowBytes } = source;
  return {
    numRows,
    rowBytes,
    async read(rows, into): Promise<void> {
      signal.throwIfAborted();
      await source.read(rows, into);
    },
    close: () => source.close(),
  };
}

function given(place: string | undefined, env: CommandContext["env"]): Place {
  const address = place ?? env["ENGRAM_TABLE"];
  if (address === undefined)
    throw new InvalidConfigError("expected PLACE, or ENGRAM_TABLE in the environment; got neither");
  return placeOf(address, env);
}

function done(
  what: string,
  { tables, counts }: Omit<TablesOfModel, "identities">,
  { print, progress }: CommandContext,
): { readonly tables: readonly object[] } {
  progress.end();
  for (const table of tables)
    print(`${named(table, counts)} ${what}${table === counts ? "" : ` as ${table.format.name}`}\n`);
  return {
    tables: tables.map((table) => ({
      kind: table === counts ? "counts" : "rows",
      layer: table.layerId,
      rows: table.numRows,
      bytes: table.numRows * table.format.rowBytes,
      format: table.format.name,
    })),
  };
}

function named(table: TableAtRest, counts: TableAtRest | undefined): string {
  const { layerId, numRows, format } = table;
  return table === counts
    ? `counts: ${numRows} blocks of ${format.rowBytes} bytes`
    : `layer ${layerId}: ${numRows} rows`;
}
