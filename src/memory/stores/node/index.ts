/** Stores that need Node. */
export { createFileStore, FileStore, type FileStoreOptions, openFileStore } from "./file.ts";
