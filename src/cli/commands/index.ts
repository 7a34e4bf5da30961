/** The commands, one file each. `../registry.ts` says which of them `engram` has. */
export { rowsCommand } from "./rows.ts";
export { tokenMapCommand } from "./token-map.ts";
