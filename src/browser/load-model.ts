/**
 * Models in a page, with the names of `engram-lm`: the model is in a worker, so the page stays free while it reads and
 * writes. Here is the page's side, which knows calls and no model.
 */
import { BackendError } from "../errors.ts";
import type {
  Fact,
  FactRequest,
  ForgetOptions,
  Forgotten,
  Quota,
  Selection,
  Taught,
  TeachOptions,
  TextToLearn,
} from "../facts/index.ts";
import type { GeneratedText, GenerateTextOptions } from "../generate-text.ts";
import type { Reading, Want } from "../inference/index.ts";
import type { ModelConfig } from "../model/index.ts";
import { Caller, type Port } from "./calls.ts";
import type { EngineFiles } from "./engine.ts";
import type { SessionRequest } from "./model-calls.ts";
import type { OpenRequest } from "./open-in-page.ts";
import type { Progress } from "./progress.ts";

interface ModelWorker extends Port {
  addEventListener(type: "message", listener: (event: { readonly data: unknown }) => void): void;
  addEventListener(type: "error", listener: (event: { readonly message?: string }) => void): void;
  terminate(): void;
}

declare const Worker: new (address: URL, options: { type: "module"; name: string }) => ModelWorker;

/** How to open a model in a page. */
export interface LoadModelOptions extends Pick<OpenRequest, "memory" | "tableMemory"> {
  /** Where the engine's files are. Default: those of this package, without WebGPU, which bundlers copy beside the page's own. */
  readonly engine?: EngineFiles | Required<Pick<EngineFiles, "webgpu">>;
  /** Default: one for each core, four at most, where the page is isolated (`crossOriginIsolated`); else one. */
  readonly threads?: number;
  /**
   * Most bytes of models that are kept in the origin-private file system, for the next visit (`removeKept`). 0 keeps
   * nothing. Default 1 GiB.
   */
  readonly keepBytes?: number;
  readonly onProgress?: (progress: Progress) => void;
  /** Ends the loading. */
  readonly signal?: AbortSignal;
}

/** A session in the worker. Calls are done in their order. */
export interface WebSession extends AsyncDisposable {
  /** As `Session.append`. */
  append(ids: ArrayLike<number>, want?: Want): Promise<Reading>;
  /** As `Session.rewind`. */
  rewind(length: number): Promise<void>;
  dispose(): Promise<void>;
}

/** Opens the model whose directory is at `url`, as `engram-lm` does. Rejects with the same errors. */
export async function loadModel(url: string, options: LoadModelOptions = {}): Promise<WebModel> {
  const { threads = allowedThreads(), keepBytes = 2 ** 30 } = options;
  const { memory, tableMemory, onProgress, signal } = options;
  signal?.throwIfAborted();
  const request: OpenRequest = {
    address: new URL(url, pageAddress()).href,
    engine: { ...packaged(), ...options.engine },
    threads,
    keepBytes,
    ...(memory !== undefined && { memory }),
    ...(tableMemory !== undefined && { tableMemory }),
  };
  const worker = new Worker(new URL("./model-worker.js", import.meta.url), {
    type: "module",
    name: "engram",
  });
  const caller = new Caller(worker);
  worker.addEventListener("error", ({ message }) =>
    caller.fail(new BackendError(`the model's worker failed: ${message ?? "it does not start"}`)),
  );
  try {
    const onPiece = (progress: Progress): void => onProgress?.(progress);
    const facts = (await caller.call("open", request, { signal, onPiece })) as ModelFacts;
    return new WebModel(facts, { caller, end: () => worker.terminate() });
  } catch (error) {
    worker.terminate();
    throw error;
  }
}

type ModelFacts = Pick<WebModel, "path" | "config" | "hasMemory"> & { readonly vocabSize: number };

/** An open model; `close` it to end its worker. */
export class WebModel {
  readonly path: string;
  readonly config: ModelConfig;
  readonly hasMemory: boolean;
  readonly tokenizer: {
    readonly vocabSize: number;
    encode(text: string): Promise<Int32Array>;
    decode(ids: ArrayLike<number>): Promise<string>;
  };
  /** For `generateText`. */
  readonly caller: Caller;
  readonly #end: () => void;
  #numSessions = 0;

  constructor(facts: ModelFacts, { caller, end }: { caller: Caller; end: () => void }) {
    this.path = facts.path;
    this.config = facts.config;
    this.hasMemory = facts.hasMemory;
    this.caller = caller;
    this.tokenizer = {
      vocabSize: facts.vocabSize,
      encode: (text) => caller.call("encode", text) as Promise<Int32Array>,
      decode: (ids) => caller.call("decode", ids) as Promise<string>,
    };
    this.#end = end;
  }

  /** As `Model.createSession`; the scale of the memory is in `view`. */
  createSession(options: SessionRequest = {}): WebSession {
    const id = this.#numSessions++;
    const { caller } = this;
    const created = caller.call("createSession", { id, options });
    created.catch(() => undefined);
    const ask = async <T>(call: string, input: object): Promise<T> => {
      const answer = caller.call(call, { id, ...input });
      // Asked at once, to keep the order; a session that could not be made says why.
      answer.catch(() => undefined);
      await created;
      return answer as Promise<T>;
    };
    const dispose = (): Promise<void> => ask("dispose", {});
    return {
      append: (ids, want = {}) => ask("append", { ids: Array.from(ids), want }),
      rewind: (length) => ask("rewind", { length }),
      dispose,
      [Symbol.asyncDispose]: dispose,
    };
  }

  /**
   * As `Model.teach`. What is taught is in the model's worker and nowhere else: it is forgotten when the model is closed
   * or the page is left, and no file of this browser has it. (The static site of `npm run build:site` keeps what its
   * visitors teach; a page of your own does not.)
   */
  async teach(
    facts: readonly FactRequest[],
    { signal, ...options }: TeachOptions = {},
  ): Promise<Taught[]> {
    return this.caller.call("teach", { facts, options }, { signal }) as Promise<Taught[]>;
  }

  /** As `Model.learn`, and kept as what is taught is: in the worker, until the model is closed. */
  async learn({ ids, scope }: TextToLearn, quota?: Quota): Promise<void> {
    await this.caller.call("learn", { text: { ids: Array.from(ids), scope }, quota });
  }

  /** As `Model.facts`. */
  async facts(scopes?: readonly string[]): Promise<Fact[]> {
    return this.caller.call("facts", scopes) as Promise<Fact[]>;
  }

  /** As `Model.forget`. */
  async forget(selection: Selection, { signal }: ForgetOptions = {}): Promise<Forgotten> {
    return this.caller.call("forget", selection, { signal }) as Promise<Forgotten>;
  }

  async close(): Promise<void> {
    await this.caller.call("close", undefined).catch(() => undefined);
    this.caller.fail(new BackendError("the model was closed"));
    this.#end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** As `generateText` of `engram-lm`: yields the continuation of `prompt` piece by piece. */
export async function* generateText(
  { caller }: WebModel,
  prompt: string,
  { signal, ...options }: GenerateTextOptions = {},
): AsyncGenerator<string, GeneratedText> {
  const leaving = new AbortController();
  const stop = signal === undefined ? leaving.signal : AbortSignal.any([signal, leaving.signal]);
  const pieces: string[] = [];
  let wake: () => void = () => undefined;
  const onPiece = (piece: string): void => {
    pieces.push(piece);
    wake();
  };
  const done = caller.call("generate", { prompt, options }, { signal: stop, onPiece });
  const settled = done.then(
    () => true,
    () => true,
  );
  try {
    for (let isDone = false; !isDone || pieces.length > 0;) {
      const next = new Promise<false>((resolve) => (wake = () => resolve(false)));
      if (pieces.length > 0) yield pieces.shift()!;
      else isDone = await Promise.race([settled, next]);
    }
    return (await done) as GeneratedText;
  } finally {
    leaving.abort();
  }
}

/** The files that the package carries. Bundlers read these two lines. */
function packaged(): EngineFiles {
  return {
    module: new URL("../../engine/wasm/ort-wasm-simd-threaded.mjs", import.meta.url).href,
    wasm: new URL("../../engine/wasm/ort-wasm-simd-threaded.wasm.gz", import.meta.url).href,
  };
}

function pageAddress(): string {
  return (globalThis as unknown as { location: { href: string } }).location.href;
}

function allowedThreads(): number {
  const { crossOriginIsolated } = globalThis as { crossOriginIsolated?: boolean };
  return crossOriginIsolated === true ? Math.min(4, navigator.hardwareConcurrency) : 1;
}
