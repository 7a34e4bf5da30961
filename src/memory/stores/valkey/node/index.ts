/** Tables in a Valkey or Redis cluster. */
export { openValkeyStore, ValkeyStore } from "./valkey.ts";
export type { ValkeyOptions } from "./valkey-cluster.ts";
export { writeValkeyTable, type WriteValkeyOptions } from "./valkey-writer.ts";
