/** Models in a page: in a worker, from any static server, kept for the next visit. */
export { answerCalls, type CallContext, Caller, type Calls, type Port } from "./calls.ts";
export { type EngineFiles, fetchEngine } from "./engine.ts";
export { keptFacts } from "./kept-facts.ts";
export {
  generateText,
  loadModel,
  type LoadModelOptions,
  WebModel,
  type WebSession,
} from "./load-model.ts";
export type { SessionRequest } from "./model-calls.ts";
export { openInPage, type OpenRequest } from "./open-in-page.ts";
export { type KeptFacts, pageFacts } from "./page-facts.ts";
export { removeKept } from "./opfs.ts";
export { fetchWithProgress, type Progress } from "./progress.ts";
export { sourceInPage } from "./source-in-page.ts";
export { fetchFrom, type FetchInit, requestCalls } from "./requests.ts";
