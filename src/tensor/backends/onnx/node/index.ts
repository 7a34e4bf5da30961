/** ONNX Runtime on Node: two drivers behind one interface, and what else its library is good for. */
export { adviseHugePages } from "./huge-pages.ts";
export { type OrtBackendOptions, ortBackend } from "./ort-backend.ts";
