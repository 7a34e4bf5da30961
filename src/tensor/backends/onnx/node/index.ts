/** ONNX Runtime on Node: two drivers behind one interface, and other uses of its libraries. */
export { returnFreedMemory } from "./freed-memory.ts";
export { adviseHugePages } from "./huge-pages.ts";
export { mapFile } from "./mapped-file.ts";
export { type OrtBackendOptions, ortBackend } from "./ort-backend.ts";
