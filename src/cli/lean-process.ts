/**
 * What a program that holds one model for long asks of its surroundings, before it opens the model. Knows V8's flags and
 * the C library; no model.
 */
import { setFlagsFromString } from "node:v8";
import { returnFreedMemory } from "../tensor/backends/onnx/node/index.ts";

/**
 * Opening a model and writing its graphs makes garbage that V8 meets with a young generation of 48 MiB and more, and keeps for as
 * long as the process lives. With this flag a collection of the whole heap gives it back (66 of 466 MiB of a server,
 * docs/results/2026-11-29-memory.md). V8 reads it at each collection, so it may be set after the start.
 */
export function keepLittleMemory(): void {
  setFlagsFromString("--optimize-for-size");
  returnFreedMemory();
}
