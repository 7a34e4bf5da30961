export { type OrtBackendOptions, ortBackend } from "./c-api-backend.ts";
