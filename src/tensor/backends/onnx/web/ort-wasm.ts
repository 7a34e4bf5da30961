// oxlint-disable no-underscore-dangle -- the module's own names
/**
 * ONNX Runtime's build for WebAssembly, called through the functions that its module exports: the C interface that
 * `node/ort-c-api.ts` calls, in a memory of its own (`heap.ts`). Knows sessions, tensors and runs; nothing of our
 * graphs, and no platform.
 */
import type { TensorData } from "../../../graph.ts";
import type { DType } from "../../../ops.ts";
import type { Span } from "../aliasing.ts";
import type { Adapt } from "../lower.ts";
import { nextTurn } from "../../../../next-turn.ts";
import type { NamedTensor, OrtRun, OrtRuntime, OrtSession, OrtTensor } from "../ort-driver.ts";
import { Heap, type OrtModule } from "./heap.ts";
import type { GraphicsProcessor } from "./webgpu.ts";

const LOG_FATAL = 4;
/** Where a tensor's address counts. */
const [ON_CPU, ON_GPU] = [1, 4];

/** Runs follow each other without the event loop: longest time, in milliseconds, until whoever else waits has a turn. */
const TURN_MS = 10;
let lastTurn = 0;

/** An engine starts once, with the threads that its module was made for. */
const runtimes = new WeakMap<OrtModule, Promise<OrtRuntime>>();

/** The engine in `module`. */
export function wasmRuntime(module: OrtModule, threads: number): Promise<OrtRuntime> {
  let runtime = runtimes.get(module);
  if (runtime === undefined) {
    runtimes.set(module, (runtime = started(module, threads)));
    runtime.catch(() => runtimes.delete(module));
  }
  return runtime;
}

async function started(module: OrtModule, threads: number): Promise<OrtRuntime> {
  const heap = new Heap(module);
  heap.check("start", module._OrtInit(threads, LOG_FATAL) === 0);
  const gpu = module.webgpuInit && (await (await import("./webgpu.ts")).GraphicsProcessor.of(heap));
  return new WasmRuntime(heap, gpu);
}

class WasmRuntime implements OrtRuntime {
  readonly constants = "inline";
  readonly adapt: Adapt | undefined;
  readonly #heap: Heap;
  readonly #gpu: GraphicsProcessor | undefined;

  constructor(heap: Heap, gpu: GraphicsProcessor | undefined) {
    this.#heap = heap;
    this.#gpu = gpu;
    this.adapt = gpu?.adapt;
  }

  hold(data: TensorData): boolean {
    this.#gpu?.hold(data);
    return this.#gpu !== undefined;
  }

  reaches(data: TensorData): boolean {
    return this.#heap.has(data) || this.#gpu?.addressOf(data) !== undefined;
  }

  allocate(dtype: DType, length: number): TensorData {
    return this.#heap.allocate(dtype, length);
  }

  spanOf(view: ArrayBufferView): Span {
    return this.#heap.spanOf(view);
  }

  tensor(data: ArrayBufferView, type: number, dims: readonly number[]): OrtTensor {
    const held = this.#gpu?.addressOf(data);
    return new WasmTensor(this.#heap, {
      keeps: held === undefined ? this.#heap.ownerOf(data) : data,
      at: held ?? data.byteOffset,
      bytes: data.byteLength,
      location: held === undefined ? ON_CPU : ON_GPU,
      type,
      dims,
    });
  }

  async session(model: Uint8Array): Promise<OrtSession> {
    // It blocks this thread: what is on its way, such as a first token, goes out before.
    await nextTurn();
    const handle = await loaded(this.#heap, model, this.#gpu);
    return new WasmSession(this.#heap, handle, this.#gpu);
  }
}

/** The handle of a session. The settings are those of `node/ort-c-api.ts`, for its reasons. */
export async function loaded(
  heap: Heap,
  model: Uint8Array,
  gpu: GraphicsProcessor | undefined,
): Promise<number> {
  const options = heap.created("make session options", (module) =>
    module._OrtCreateSessionOptions(0, true, false, 0, false, 0, 0, LOG_FATAL, 0, 0),
  );
  const at = heap.malloc(model.length);
  heap.bytes(at, model.length).set(model);
  try {
    const handle = await heap.inTurn("load the graph", async (module) => {
      let made = 0;
      try {
        await gpu?.useFor(options);
        return (made = await module._OrtCreateSession(at, model.length, options));
      } finally {
        gpu?.made(made);
      }
    });
    heap.check("load the graph", handle !== 0);
    return handle;
  } finally {
    heap.free(at);
    heap.module._OrtReleaseSessionOptions(options);
  }
}

class WasmTensor implements OrtTensor {
  readonly #heap: Heap;
  /** Never read, but must stay reachable. */
  readonly keeps: object;
  readonly handle: number;
  #released = false;

  constructor(
    heap: Heap,
    {
      keeps,
      at,
      bytes,
      location,
      type,
      dims,
    }: {
      readonly keeps: object;
      readonly at: number;
      readonly bytes: number;
      readonly location: number;
      readonly type: number;
      readonly dims: readonly number[];
    },
  ) {
    this.#heap = heap;
    this.keeps = keeps;
    const words = heap.words(dims);
    try {
      this.handle = heap.created("describe a tensor", (module) =>
        module._OrtCreateTensor(type, at, bytes, words, dims.length, location),
      );
    } finally {
      heap.free(words);
    }
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#heap.module._OrtReleaseTensor(this.handle);
  }
}

class WasmSession implements OrtSession {
  readonly #heap: Heap;
  readonly #handle: number;
  readonly #gpu: GraphicsProcessor | undefined;
  #released = false;

  constructor(heap: Heap, handle: number, gpu: GraphicsProcessor | undefined) {
    this.#heap = heap;
    this.#handle = handle;
    this.#gpu = gpu;
  }

  prepare(inputs: readonly NamedTensor[], outputs: readonly NamedTensor[]): OrtRun {
    const parts = { session: this.#handle, inputs, outputs } as {
      session: number;
      inputs: readonly NamedTensor<WasmTensor>[];
      outputs: readonly NamedTensor<WasmTensor>[];
    };
    return new WasmRun(this.#heap, parts);
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#heap.module._OrtReleaseSession(this.#handle);
    this.#gpu?.left(this.#handle);
  }
}

/** Every argument of the call is fixed here, so a run allocates nothing. */
class WasmRun implements OrtRun {
  readonly #heap: Heap;
  readonly #session: number;
  readonly #names: readonly number[];
  readonly #inputs: { readonly names: number; readonly values: number; readonly count: number };
  readonly #outputs: { readonly names: number; readonly values: number; readonly count: number };
  readonly #options: number;
  #released = false;

  constructor(
    heap: Heap,
    {
      session,
      inputs,
      outputs,
    }: {
      session: number;
      inputs: readonly NamedTensor<WasmTensor>[];
      outputs: readonly NamedTensor<WasmTensor>[];
    },
  ) {
    this.#heap = heap;
    this.#session = session;
    const texts: number[] = [];
    const listed = (all: readonly NamedTensor<WasmTensor>[]) => {
      const names = all.map(({ name }) => heap.text(name));
      texts.push(...names);
      const values = heap.words(all.map(({ tensor }) => tensor.handle));
      return { names: heap.words(names), values, count: all.length };
    };
    this.#inputs = listed(inputs);
    this.#outputs = listed(outputs);
    this.#names = texts;
    this.#options = heap.created("make run options", (module) =>
      module._OrtCreateRunOptions(LOG_FATAL, 0, false, 0),
    );
  }

  /** Where it blocks this thread, others have a turn before the next now and then. */
  async run(): Promise<void> {
    const { names, values, count } = this.#inputs;
    const outputs = this.#outputs;
    const code = await this.#heap.inTurn("run the graph", (module) =>
      module._OrtRun(
        this.#session,
        names,
        values,
        count,
        outputs.names,
        outputs.count,
        outputs.values,
        this.#options,
      ),
    );
    this.#heap.check("run the graph", code === 0);
    if (performance.now() - lastTurn < TURN_MS) return;
    await nextTurn();
    lastTurn = performance.now();
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    const lists = [this.#inputs, this.#outputs].flatMap(({ names, values }) => [names, values]);
    this.#heap.free(...this.#names, ...lists);
    this.#heap.module._OrtReleaseRunOptions(this.#options);
  }
}
