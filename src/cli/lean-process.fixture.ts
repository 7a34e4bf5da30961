/** Prints the bytes of V8's young generation after garbage as a start makes it, and a collection. `--lean` asks for little. */
import { getHeapSpaceStatistics } from "node:v8";
import { keepLittleMemory } from "./lean-process.ts";

if (process.argv.includes("--lean")) keepLittleMemory();
let live: object[] = [];
for (let i = 0; i < 1_200_000; i++) {
  live.push({ i });
  if (live.length === 300_000) live = [];
}
globalThis.gc!();
const space = getHeapSpaceStatistics().find(({ space_name: name }) => name === "new_space");
console.log(space!.physical_space_size);
