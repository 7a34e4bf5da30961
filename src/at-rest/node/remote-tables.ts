/**
 * Tables outside the model's directory: in a Redis or Valkey cluster, and as table files behind a web server or in a
 * directory. Opens and writes them. No message contains the password, key or query of an address. Knows no model: the
 * caller says what a table must be.
 */
import { InvalidConfigError } from "../../errors.ts";
import type { RowStore, TableIdentity } from "../../memory/index.ts";
import { openTableFile, writeTableFile } from "../../memory/stores/ranges/node/index.ts";
import {
  openValkeyStore,
  type ValkeyOptions,
  writeValkeyTable,
} from "../../memory/stores/valkey/node/index.ts";
import { chunksOf } from "../row-chunks.ts";
import { type OpenElsewhere, tableFileName, webTables } from "../web-tables.ts";

/** Where tables are, if not in their model's directory. */
export interface Place {
  /** `redis[s]://user:password@host:port/NAME`, `http[s]://host/path`, or a directory of table files. */
  readonly address: string;
  /** Sent to a web server with every request. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** Opens a place's tables. Throws `InvalidConfigError` for an address of another kind. */
export function openPlace({ address, headers }: Place): OpenElsewhere {
  const url = urlOf(address);
  if (url !== undefined && isWeb(url)) return webTables(url.href, headers);
  return async ({ model, expected }) => {
    const layerId = expected.layerId!;
    if (url !== undefined) {
      const store = await openValkeyStore({ ...clusterOf(url, { model, layerId }), expected });
      return { store, format: store.format };
    }
    const store = await openTableFile(`${address}/${tableFileName(layerId)}`, { expected });
    return { store, format: store.header.format };
  };
}

/** Writes the rows of `source` as a layer's table. Readers see the new table as a whole, or the old one. */
export async function writeElsewhere(
  { address }: Place,
  { model, source, ...table }: { model: string; source: RowStore } & TableIdentity,
): Promise<void> {
  const url = urlOf(address);
  if (url === undefined) {
    const path = `${address}/${tableFileName(table.layerId!)}`;
    await writeTableFile(path, { ...table, rows: chunksOf(source) });
    return;
  }
  if (isWeb(url))
    throw new InvalidConfigError(
      `${url.origin}: tables cannot be put behind a web server from here; push them into a directory and copy it there`,
    );
  await writeValkeyTable({
    ...clusterOf(url, { model, layerId: table.layerId! }),
    ...table,
    rows: source,
  });
}

/** Undefined for a directory. */
function urlOf(address: string): URL | undefined {
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(address)) return undefined;
  const url = URL.canParse(address) ? new URL(address) : undefined;
  const isKnown = url !== undefined && /^(rediss?|https?):$/.test(url.protocol);
  if (isKnown && isReadable(url)) return url;
  throw new InvalidConfigError(
    "a table's address is redis[s]://user:password@host:port/NAME, http[s]://host/path or a directory; got " +
      (url === undefined || isKnown
        ? "an address that cannot be read"
        : `one that begins with ${url.protocol}`),
  );
}

function isReadable({ hostname, username, password, pathname }: URL): boolean {
  try {
    return hostname !== "" && [username, password, pathname].map(decodeURIComponent).length > 0;
  } catch {
    return false;
  }
}

function isWeb({ protocol }: URL): boolean {
  return protocol === "http:" || protocol === "https:";
}

function clusterOf(
  { protocol, hostname, port, username, password, pathname }: URL,
  { model, layerId }: { model: string; layerId: number },
): ValkeyOptions {
  const name =
    decodeURIComponent(pathname.replace(/^\//, "")) ||
    model.split(/[/\\]/).findLast((part) => /^(?!\.*$)/.test(part));
  if (name === undefined)
    throw new InvalidConfigError(
      `tables in a cluster have names; give the address one: ${protocol}//${hostname}/NAME`,
    );
  return {
    nodes: [{ host: hostname.replace(/^\[|\]$/g, ""), port: Number(port || 6379) }],
    table: `${name}/${layerId}`,
    isEncrypted: protocol === "rediss:",
    ...(username !== "" && { username: decodeURIComponent(username) }),
    ...(password !== "" && { password: decodeURIComponent(password) }),
  };
}
