/** The OpenAI-compatible server: a function from request to response. Listening is in `node/`. */
export { checkAccess } from "./access.ts";
export type { ApiKeys } from "./api-keys.ts";
export { parseApiKeys } from "./api-keys-file.ts";
export { createServer, type EngramServer } from "./app.ts";
export { createDashboard, type Dashboard, type DashboardOptions } from "./dashboard.ts";
export { parseHeldOut } from "./held-out.ts";
export { isLoopbackName } from "./host-check.ts";
export { routes } from "./route-table.ts";
export type { HeldOut, ServerOptions, TrainingControl } from "./serving.ts";
export type { Page, PageFile } from "./page.ts";
export {
  type Difference,
  differencesOf,
  type RunSource,
  type RunSummaryFields,
} from "./run-source.ts";
