/** Packs in files. */
export { openPacks } from "./open-packs.ts";
export { isPackFile, PackFile, type ReadPack, writePack } from "./pack-file.ts";
