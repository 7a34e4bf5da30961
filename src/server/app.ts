/**
 * The server as a function from request to response: its routes, and what holds for all of them: access control
 * (`access.ts`), and one shape for all errors. It opens no socket and reads no file. The same function runs under Node
 * and in a test.
 */
import { DisposalStack } from "../disposal-stack.ts";
import { Router } from "./router.ts";
import type { Model } from "../opened-model.ts";
import { whenNeeded } from "../when-needed.ts";
import { workerWhenNeeded } from "../worker/index.ts";
import { checkAccess, guard } from "./access.ts";
import { answerErrors, reporter } from "./answer-errors.ts";
import { readBody } from "./body.ts";
import { pagePaths } from "./page-paths.ts";
import { oneAtATime } from "./one-at-a-time.ts";
import { aboutRoutes } from "./routes/about.ts";
import { completionRoutes } from "./routes/completions.ts";
import { inspectRoutes } from "./routes/inspect.ts";
import {
  type RouteContext,
  type ServerOptions,
  type Serving,
  onServerThread,
  startServing,
  stillLoading,
} from "./serving.ts";

type AddRoutes = (app: Router, context: RouteContext) => void;

/** Routes whose code is loaded when the first request for one of them comes: few servers are asked for all. */
const laterRoutes: readonly (readonly [paths: readonly string[], () => Promise<AddRoutes>])[] = [
  [["/v1/chat/*"], async () => (await import("./routes/chat.ts")).chatRoutes],
  [["/v1/embeddings"], async () => (await import("./routes/embeddings.ts")).embeddingRoutes],
  [["/tokenize", "/detokenize"], async () => (await import("./routes/tokens.ts")).tokenRoutes],
  [["/engram/memory/*"], async () => (await import("./routes/memory.ts")).memoryRoutes],
  [
    ["/engram/facts/*", "/engram/snapshots/*"],
    async () => (await import("./routes/facts.ts")).factRoutes,
  ],
  [
    ["/engram/corpus/*", "/engram/rows"],
    async () => (await import("./routes/corpus.ts")).corpusRoutes,
  ],
  [["/engram/runs/*"], async () => (await import("./routes/runs.ts")).runRoutes],
  [["/engram/training"], async () => (await import("./routes/training.ts")).trainingRoutes],
  [pagePaths, async () => (await import("./routes/page.ts")).pageRoutes],
];

/** A server without a socket: whoever has a request gets its response. */
export interface EngramServer {
  /** Answers; never rejects. */
  readonly fetch: (request: Request) => Promise<Response>;
  /** Resolves when the model is loaded; rejects if it cannot be loaded. */
  readonly ready: Promise<void>;
  /** Accepts no more requests and resolves when the accepted ones are answered. */
  drain(): Promise<void>;
  /** Aborts running requests and frees the engine's memory. The caller closes the model. */
  close(): Promise<void>;
}

/**
 * Serves `model`, which may still be loading. Until it is loaded, requests are answered with 503. Throws
 * `InvalidConfigError` for a key or origins that no request could match.
 */
export function createServer(
  model: Model | Promise<Model>,
  options: ServerOptions = {},
): EngramServer {
  checkAccess(options);
  let serving: Serving | undefined;
  const begin = async (): Promise<void> => {
    serving = startServing(await model, options);
  };
  const ready = begin();
  // Avoids an unhandled rejection if nobody awaits `ready`.
  ready.catch(() => undefined);
  const bodies = {
    maxBytes: options.maxBodyBytes ?? 4 * 2 ** 20,
    worker: workerWhenNeeded(options.startWorker ?? onServerThread, {}),
  };
  const app = new Router();
  const context: RouteContext = {
    principal: guard(app, options),
    inTurn: oneAtATime(),
    readBody: (request, name) => readBody(request, name, bodies),
    options: {
      pingInterval: options.pingInterval ?? 15_000,
      version: options.version ?? "unknown",
      runs: options.runs ?? [],
      ...(options.page && { page: options.page }),
      ...(options.training && { training: options.training }),
      ...(options.heldOut && { heldOut: options.heldOut }),
    },
    report: reporter(options.onError),
    serving() {
      if (serving === undefined) throw stillLoading();
      return serving;
    },
  };
  for (const add of [aboutRoutes, completionRoutes, inspectRoutes]) add(app, context);
  for (const [paths, load] of laterRoutes) addLater(app, paths, { load, context });
  answerErrors(app, context.report);
  return {
    fetch: async (request) => named(await app.fetch(request), request),
    ready,
    async drain() {
      await serving?.scheduler.drain();
    },
    async close() {
      await ready.catch(() => undefined);
      await using parts = new DisposalStack();
      parts.adopt(serving, (one) => one?.scheduler.close());
      parts.adopt(serving, (one) => one?.chat?.close());
      parts.adopt(serving, (one) => one?.grammars?.close());
      parts.adopt(bodies, ({ worker }) => worker.close());
    },
  };
}

function addLater(
  app: Router,
  paths: readonly string[],
  { load, context }: { load: () => Promise<AddRoutes>; context: RouteContext },
): void {
  const made = whenNeeded(async () => {
    const routes = new Router();
    (await load())(routes, context);
    answerErrors(routes, context.report);
    return routes;
  });
  for (const path of paths) app.all(path, async ({ req }) => (await made()).fetch(req.raw));
}

/** Every answer carries the client's own name for its request, or one that is made for it. */
function named(response: Response, { headers }: Request): Response {
  const given = headers.get("x-request-id") ?? "";
  const id = /^[\x21-\x7e]{1,200}$/.test(given) ? given : `req_${crypto.randomUUID()}`;
  response.headers.set("x-request-id", id);
  return response;
}
