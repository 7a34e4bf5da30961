/**
 * What all routes share: the served model and its name, the scheduler that runs it, and what is counted. Knows no route.
 */
import { type AnyTemplate, templateWhenNeeded } from "../chat/index.ts";
import type { AnyStore, Fact } from "../facts/index.ts";
import { type AnyGrammars, grammarsWhenNeeded } from "../grammar/index.ts";
import { Scheduler } from "../inference/index.ts";
import { UnavailableError } from "../errors.ts";
import {
  type CorpusIndex,
  type MemoryInspector,
  memoryInspector,
  readCorpus,
  type TableTraffic,
} from "../inspect/index.ts";
import type { Model } from "../opened-model.ts";
import { whenNeeded } from "../when-needed.ts";
import { onThisThread, type StartWorker } from "../worker/index.ts";
import { ApiError } from "./api-error.ts";
import type { ApiKeys, Principal } from "./api-keys.ts";
import type { Bodies, BodyName } from "./body-task.ts";
import type { InTurn } from "./one-at-a-time.ts";
import type { Page } from "./page.ts";
import type { RunSource } from "./run-source.ts";
import { serverTasks } from "./server-tasks.ts";
import { Tallies } from "./tallies.ts";

/** A training run where the server is; one at a time. */
export interface TrainingControl {
  state(): object;
  /** Without a text, the sample. Throws `RequestError` while a run goes on. */
  start(text?: { readonly name: string; readonly text: string }): void;
  stop(): void;
}

/** Results on the held-out text of training, in bits per byte. Unknown values are absent. */
export interface HeldOut {
  /** Lines of the held-out text, from several places. The page shows the first of them first. */
  readonly excerpts?: readonly string[];
  readonly bitsPerByte?: number | undefined;
  /** The same model with its memory switched off. It was trained to rely on its memory. */
  readonly memoryOff?: number | undefined;
  /** A model trained without a memory: the fair comparison. */
  readonly trainedWithout?: number | undefined;
}

/** What a server offers, to whom, and its limits. */
export interface ServerOptions {
  /** Jinja source of a chat template that replaces the model's own. */
  readonly chatTemplate?: string | undefined;
  /** The name of the model for clients. Default: the last part of its path. */
  readonly alias?: string;
  /** The scope that learns what is read, where a request does not say which. Default: none. */
  readonly learn?: string | undefined;
  /** Most texts that are generated at the same time. Default 4. */
  readonly parallel?: number;
  /** Most texts that may wait for a slot. A request counts as its prompts times `n`. Default 1024. */
  readonly maxQueue?: number;
  /** Most tokens of a prompt and its answer together. Default: the context that the model was trained with. */
  readonly contextSize?: number;
  /** Required as a bearer token on every route but `/health`. Default: no key. */
  readonly apiKey?: string;
  /** Several keys, each with its scopes and rights, in place of one (`api-keys.ts`). */
  readonly apiKeys?: ApiKeys | undefined;
  /** Origins whose pages may use this server, besides its own pages; "*" means all. Others get 403. Default: none. */
  readonly corsOrigins?: readonly string[];
  /**
   * Whether the listener is bound to the loopback address. Requests for any other host name are then refused: see
   * `host-check.ts`. Default false.
   */
  readonly isLoopback?: boolean;
  /** Default 4 MiB. */
  readonly maxBodyBytes?: number;
  /** Milliseconds between two keep-alive comments in a stream. Default 15,000. */
  readonly pingInterval?: number;
  readonly version?: string;
  /** Loads the inspector page, which is served at `/`. Called at the first request for it. Default: no page. */
  readonly page?: () => Promise<Page>;
  /** Counts the reads of the model's tables (see `wrapStore` of `loadModel`). Default: they are not counted. */
  readonly traffic?: TableTraffic;
  readonly heldOut?: HeldOut;
  /** Training runs to show, or what finds them whenever somebody asks for them. Default: none. */
  readonly runs?: readonly RunSource[] | (() => Promise<readonly RunSource[]>);
  /** Trains where the server is, for whoever may ask it. Default: nothing is trained. */
  readonly training?: TrainingControl;
  /**
   * Starts a worker for large bodies and for the chat template: neither is trusted. Default: they run on the server's own
   * thread and cannot be stopped. `createServer` in `node/` passes Node's threads.
   */
  readonly startWorker?: StartWorker;
  /** Starts a worker for grammars. Default: none, and requests cannot ask for a form of the answer. */
  readonly startGrammarWorker?: StartWorker;
  /** Called when the server fails: for requests answered with status 500 and streams that end in an error. */
  readonly onError?: (error: unknown) => void;
}

/** A loaded model, ready to answer. */
export interface Serving {
  readonly model: Model;
  readonly name: string;
  readonly scheduler: Scheduler;
  readonly tallies: Tallies;
  /** Looks into its learned rows; made at the first call. Undefined for a model without. */
  readonly inspector: (() => Promise<MemoryInspector>) | undefined;
  /** The n-grams of the text that the model was trained on, read at the first call; undefined where it does not say. */
  corpus(): Promise<CorpusIndex | undefined>;
  /** Undefined if the reads of the tables are not counted. */
  readonly traffic: TableTraffic | undefined;
  /** Renders messages with the chat template; undefined for a model without one. */
  readonly chat: AnyTemplate | undefined;
  /** See `ServerOptions.learn`. */
  readonly learn: string | undefined;
  /** Passes on what went wrong behind an answer. */
  report(error: unknown): void;
  /** Undefined if no worker for grammars can be started. */
  readonly grammars: AnyGrammars | undefined;
  /** When serving began, in seconds since 1970. */
  readonly created: number;
}

export interface RouteContext {
  readonly options: Required<Pick<ServerOptions, "pingInterval" | "version">> &
    Required<Pick<ServerOptions, "runs">> &
    Pick<ServerOptions, "page" | "heldOut" | "training">;
  /** Passes a failure of the server to `onError`. Errors of clients are not passed on. */
  report(error: unknown): void;
  /** Throws `UnavailableError` while the model is loading. */
  serving(): Serving;
  /** Who sent a request. */
  principal(request: Request): Principal;
  /** For inspections. */
  readonly inTurn: InTurn;
  /** Throws `ApiError` for a body that is too large, not JSON, or not valid by its schema. */
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
  if (options.learn !== undefined) model.checkLearning();
  if (model.taught !== undefined) {
    const { store } = model.taught;
    store.onGone = (facts) => forgetPrefixes(scheduler, facts, store);
    // Whose prefixes they are is not known: whoever read them before they were learned read nothing of their scope.
    store.onTextsGone = () => scheduler.clear(() => true);
  }
  const name = alias ?? nameOf(model.path);
  const { rows } = model;
  const corpusOf = async (): Promise<CorpusIndex | undefined> => {
    const bytes = rows && (await model.corpus());
    return bytes && readCorpus({ tokenizer, memory: rows }, bytes);
  };
  return {
    model,
    name,
    scheduler,
    tallies: new Tallies(),
    inspector: rows && whenNeeded(() => memoryInspector(rows, traffic)),
    corpus: whenNeeded(corpusOf),
    traffic,
    chat:
      chatTemplate === undefined
        ? undefined
        : templateWhenNeeded(chatTemplate, { tokenizer, startWorker }),
    learn: options.learn,
    report: options.onError ?? (() => undefined),
    grammars: startGrammarWorker && grammarsWhenNeeded(tokenizer, startGrammarWorker),
    created: Math.floor(Date.now() / 1000),
  };
}

/** What was read while a scope had these facts may hold their words. */
function forgetPrefixes(scheduler: Scheduler, facts: readonly Fact[], store: AnyStore): void {
  const scopes = new Set(facts.map(({ scope }) => scope));
  scheduler.clear(({ memory }) => store.scopesOf(memory).some((scope) => scopes.has(scope)));
}

export function stillLoading(): UnavailableError {
  return new UnavailableError("the model is still loading; try again in a moment", {
    code: "loading",
  });
}

function nameOf(path: string): string {
  return path.split(/[\\/]/).findLast((part) => part !== "" && part !== ".") ?? "engram";
}

/** Throws `ApiError` (404) for a request that names another model. */
export function checkModelName({ name }: Serving, asked: string | null | undefined): void {
  if (asked === undefined || asked === null || asked === name) return;
  throw new ApiError(`the model "${asked}" does not exist here; this server has "${name}"`, {
    status: 404,
    param: "model",
    code: "model_not_found",
  });
}
