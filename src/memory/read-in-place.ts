/** What tables need that are read where they lie, behind caches. Where they are read into RAM, nobody loads it. */
export { hottestRows } from "./row-use.ts";
export { cached } from "./stores/cache/cached.ts";
export { rowsInRanges } from "./stores/ranges/rows-in-ranges.ts";
export { measured } from "./stores/wrappers/measured.ts";
export { SideBySideStore } from "./stores/wrappers/side-by-side.ts";
