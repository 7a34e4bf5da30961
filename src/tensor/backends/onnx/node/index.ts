/** ONNX Runtime on Node: two drivers behind one interface, and what else its library is good for. */
export { type OrtBackendOptions, ortBackend } from "./c-api-backend.ts";
export { adviseHugePages } from "./huge-pages.ts";
export { type PublicOrtBackendOptions, publicOrtBackend } from "./public-backend.ts";
