/** Prints by how many bytes the process grows when it makes 60 arrays of 3 MiB of zeros, as key-value caches are. `--freed` sets what is tested. */
import { returnFreedMemory } from "./freed-memory.ts";

if (process.argv.includes("--freed")) returnFreedMemory();
// The first array of this size that is freed raises the size from which on glibc uses pages of their own.
for (let i = 0; i < 2; i++) {
  new Float32Array(2 ** 23).fill(1);
  globalThis.gc!();
}
const before = process.memoryUsage().rss;
const caches = Array.from({ length: 60 }, () => new Float32Array(3 * 2 ** 18));
const after = process.memoryUsage().rss;
console.log((after - before) * Math.sign(caches.length));
