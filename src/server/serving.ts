/**
 * What every route works with: the model that is served, under which name, the scheduler that runs it
 * and what is counted. Knows no route.
 */
import { ChatTemplate } from "../chat/index.ts";
import { Grammars } from "../grammar/index.ts";
import { Scheduler } from "../inference/index.ts";
import { UnavailableError } from "../errors.ts";
import { MemoryInspector, type TableTraffic } from "../inspect/index.ts";
import type { Model } from "../open-model.ts";
import { onThisThread, type StartWorker } from "../worker/index.ts";
import { ApiError } from "./api-error.ts";
import type { Bodies, BodyName } from "./body-task.ts";
import { memoryMetrics } from "./memory-metrics.ts";
import { Metrics } from "./metrics.ts";
import type { Page } from "./page.ts";
import type { RunSource } from "./run-source.ts";
import { serverTasks } from "./server-tasks.ts";

/** Facts on the held-out text of training. Unknown values are absent; figures are bits per byte. */
export interface HeldOut {
  /** Its beginning: what the page shows first. */
  readonly excerpt?: string | undefined;
  readonly bitsPerByte?: number | undefined;
  /** The same model with its memory switched off, on which it has learned to rely. */
  readonly memoryOff?: number | undefined;
  /** A model that was trained without memory: the reference for what the memory is worth. */
  readonly trainedWithout?: number | undefined;
}

export interface ServerOptions {
  /** Jinja source that turns messages into a prompt, in the place of the model's own. */
  readonly chatTemplate?: string | undefined;
  /** The name that clients use. Default: the last part of the model's path. */
  readonly alias?: string;
  /** Texts generated at a time. Default 4. */
  readonly parallel?: number;
  /** Texts that may wait for their turn, every one of a request's prompts times `n`. Default 1024. */
  readonly maxQueue?: number;
  /** Tokens of prompt and answer together. Default: what the model was trained for. */
  readonly contextSize?: number;
  /** Required as a bearer token on every route but `/health`. Default: no key. */
  readonly apiKey?: string;
  /** Origins whose pages may use this server, besides its own; "*" for all. Others' get 403. Default: none. */
  readonly corsOrigins?: readonly string[];
  /**
   * The listener is bound to this machine's loopback, and requests by any other name are refused: see
   * `host-check.ts`. Default false.
   */
  readonly isLoopback?: boolean;
  /** Default 4 MiB. */
  readonly maxBodyBytes?: number;
  /** Milliseconds of silence in a stream before a keep-alive comment. Default 15 s. */
  readonly pingInterval?: number;
  readonly version?: string;
  /** The inspector page, served at `/`; asked for when somebody first looks. Default: no page. */
  readonly page?: () => Promise<Page>;
  /** What watches the traffic of the model's tables (`loadModel`'s `wrapStore`). Default: nobody does. */
  readonly traffic?: TableTraffic;
  readonly heldOut?: HeldOut;
  /** Training runs to show. Default: none. */
  readonly runs?: readonly RunSource[];
  /**
   * Starts a worker for large bodies and for the chat template, both written by others. Default: they are worked on
   * where the server runs, and cannot be stopped; Node's `createServer` (`node/`) gives its threads.
   */
  readonly startWorker?: StartWorker;
  /** Starts a worker for grammars. Default: no request may ask for a form of its answer. */
  readonly startGrammarWorker?: StartWorker;
  /** Called for failures of the server: requests answered with 500, streams that end in an error. */
  readonly onError?: (error: unknown) => void;
}

/** A model that is loaded and running. */
export interface Serving {
  readonly model: Model;
  readonly name: string;
  readonly scheduler: Scheduler;
  readonly metrics: Metrics;
  /** Absent for a model without learned rows. */
  readonly inspector: MemoryInspector | undefined;
  /** Absent if nobody watches the traffic of its tables. */
  readonly traffic: TableTraffic | undefined;
  /** Renders messages by the model's chat template; absent for a base model. */
  readonly chat: ChatTemplate | undefined;
  /** Absent where no worker can be started for them. */
  readonly grammars: Grammars | undefined;
  /** Seconds since 1970. */
  readonly created: number;
}

export interface RouteContext {
  readonly options: Required<Pick<ServerOptions, "pingInterval" | "version">> &
    Pick<ServerOptions, "page" | "heldOut"> & { readonly runs: readonly RunSource[] };
  /** Reports a failure of the server to `onError`; other errors belong to the client. */
  report(error: unknown): void;
  /** Throws `UnavailableError` while the model is loading. */
  serving(): Serving;
  /** Throws `ApiError` for a body that is too large, no JSON, or not what its schema says. */
  readBody<Name extends BodyName>(request: Request, name: Name): Promise<Bodies[Name]>;
}

export const onServerThread: StartWorker = onThisThread(serverTasks);

export function startServing(model: Model, options: ServerOptions): Serving {
  const { alias, parallel, maxQueue, contextSize, traffic } = options;
  const { startWorker = onServerThread, startGrammarWorker } = options;
  const { chatTemplate = model.chatTemplate } = options;
  const { tokenizer } = model;
  const scheduler = new Scheduler(model.languageModel(), {
    ...(parallel !== undefined && { parallel }),
    ...(maxQueue !== undefined && { maxQueue }),
    ...(contextSize !== undefined && { contextSize }),
  });
  const name = alias ?? nameOf(model.path);
  return {
    model,
    name,
    scheduler,
    metrics: new Metrics(name, {
      read: () => scheduler,
      others: memoryMetrics(() => scheduler.memory),
    }),
    inspector: model.rows && new MemoryInspector(model.rows, traffic),
    traffic,
    chat:
      chatTemplate === undefined
        ? undefined
        : new ChatTemplate(chatTemplate, { tokenizer, startWorker }),
    grammars: startGrammarWorker && new Grammars(tokenizer, startGrammarWorker),
    created: Math.floor(Date.now() / 1000),
  };
}

export function stillLoading(): UnavailableError {
  return new UnavailableError("the model is still loading; try again in a moment", {
    code: "loading",
  });
}

function nameOf(path: string): string {
  return path.split(/[\\/]/).findLast((part) => part !== "" && part !== ".") ?? "engram";
}

/** Refuses requests that name another model. */
export function checkModelName({ name }: Serving, asked: string | null | undefined): void {
  if (asked === undefined || asked === null || asked === name) return;
  throw new ApiError(`the model "${asked}" does not exist here; this server has "${name}"`, {
    status: 404,
    param: "model",
    code: "model_not_found",
  });
}
