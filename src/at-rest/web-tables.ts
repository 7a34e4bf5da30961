/** Tables as table files behind a web server. Knows no model: what a table must be it is told. */
import {
  openHttpStore,
  type RowFormatName,
  type RowStore,
  type TableIdentity,
} from "../memory/index.ts";

export interface TableWanted {
  /** The model's directory. Tables in a cluster are named after it, unless the address has a name. */
  readonly model: string;
  readonly expected: Omit<TableIdentity, "format">;
}

/** Opens a table that is not among its model's files; undefined if it is. */
export type OpenElsewhere = (wanted: TableWanted) => Promise<
  | {
      readonly store: RowStore;
      readonly format: RowFormatName;
      /** Default "remote". */
      readonly tier?: "disk" | "remote";
    }
  | undefined
>;

/** The file name of a layer's table, on a web server or in a directory. */
export function tableFileName(layerId: number): string {
  return `engram-${layerId}.tbl`;
}

/** Tables below `address` (http or https); `headers` are sent with every request. */
export function webTables(
  address: string,
  headers: Readonly<Record<string, string>> = {},
): OpenElsewhere {
  return async ({ expected }) => {
    const url = new URL(address);
    url.pathname = `${url.pathname.replace(/\/$/, "")}/${tableFileName(expected.layerId!)}`;
    const store = await openHttpStore(url.href, { headers, expected });
    return { store, format: store.header.format };
  };
}
