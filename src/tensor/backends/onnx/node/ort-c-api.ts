/**
 * ONNX Runtime's C interface, called through koffi in its native library. This is the only module that handles
 * addresses. Every object it returns has a `release`, and every failing call throws `BackendError` with ONNX Runtime's
 * own message. Knows sessions, tensors and runs; nothing of our graphs or ops.
 *
 * Two things are easy to get wrong here. The library handle is kept in a module variable, because once it is collected,
 * the library is unloaded under running sessions. And addresses are taken only of buffers outside V8's heap, because
 * `koffi.address` moves the bytes of a small typed array out of the heap permanently.
 */
import { availableParallelism } from "node:os";
import { dirname } from "node:path";
import { BackendError } from "../../../../errors.ts";
import { whenNeeded } from "../../../../when-needed.ts";
import type { Span } from "../aliasing.ts";
import type { NamedTensor as Named } from "../ort-driver.ts";
import { nativeLibrary } from "./engine-files.ts";
import { koffi } from "./ffi.ts";
import { dropPages } from "./mapped-file.ts";
import { type Address, Pinned } from "./pinned.ts";
import { keepToItself } from "./reports.ts";

/** The only release whose function table was checked against this file. */
const SUPPORTED = "1.30";
const API_VERSION = 30;

/**
 * The members of `struct OrtApi` that are used: the index in the struct, then the argument types (P pointer, Z size, I
 * int32). Indices were counted in the table's initializer in ONNX Runtime's core/session/onnxruntime_c_api.cc. They
 * never change between releases; new members are appended.
 */
const members = {
  GetErrorMessage: [2, "P"],
  DisableTelemetryEvents: [6, "P"],
  Run: [9, "PPPPZPZP"],
  CreateSessionOptions: [10, "P"],
  DisableMemPattern: [17, "P"],
  SetSessionLogSeverityLevel: [22, "PI"],
  SetSessionGraphOptimizationLevel: [23, "PI"],
  CreateTensorWithDataAsOrtValue: [49, "PPZPZIP"],
  CreateCpuMemoryInfo: [69, "IIP"],
  ReleaseStatus: [93, "P"],
  ReleaseSession: [95, "P"],
  ReleaseValue: [96, "P"],
  ReleaseSessionOptions: [100, "P"],
  CreateEnvWithGlobalThreadPools: [119, "IPPP"],
  DisablePerSessionThreads: [120, "P"],
  CreateThreadingOptions: [121, "P"],
  AddSessionConfigEntry: [130, "PPP"],
  CreateAndRegisterAllocator: [144, "PPP"],
  SetGlobalIntraOpNumThreads: [147, "PI"],
  SetGlobalInterOpNumThreads: [148, "PI"],
  AddInitializer: [150, "PPP"],
  CreatePrepackedWeightsContainer: [166, "P"],
  ReleasePrepackedWeightsContainer: [167, "P"],
  CreateSessionFromArrayWithPrepackedWeightsContainer: [169, "PPZPPP"],
} as const;

type Argument = Address | number;
type Done = (error: Error | null, result: Address | null) => void;
interface NativeFunction {
  (...args: Argument[]): Address | null;
  async(...args: [...Argument[], Done]): void;
}
type Api = Readonly<Record<keyof typeof members, NativeFunction>>;

interface Library {
  /** Never read, but must stay reachable. */
  readonly library: unknown;
  readonly api: Api;
  readonly path: string;
  readonly threads: number;
}

interface Started extends Library {
  readonly env: Address;
  /** The library's own directory, because it certainly exists. */
  readonly directory: Pinned;
  readonly cpuMemory: Address;
  /** Where calls write the address of the object that they create. */
  readonly created: Pinned;
  readonly createdSlot: BigUint64Array;
  /** Holds a tensor's dimensions while it is created. */
  readonly dims: Pinned;
  readonly dimSlots: BigInt64Array;
}

/** More axes than any tensor here has. */
const MAX_RANK = 16;

let loaded: Library | undefined;
let started: Started | undefined;

const LOG_ID: Pinned = Pinned.text("engram");

function loadApi(path: string): { library: unknown; api: Api } {
  keepToItself();
  const library = koffi.load(path);
  const base = library.func("OrtGetApiBase", "void *", [])() as Address;
  const pointer = (at: Address, index: number): Address =>
    koffi.decode(at, index * 8, "void *") as Address;
  const getVersion = koffi.decode(pointer(base, 1), koffi.proto("str", [])) as () => string;
  const version = getVersion();
  if (!version.startsWith(`${SUPPORTED}.`))
    throw new BackendError(`expected ONNX Runtime ${SUPPORTED}.x, found ${version}`);
  const getApi = koffi.decode(pointer(base, 0), koffi.proto("void *", ["uint32_t"])) as (
    v: number,
  ) => Address;
  const table = getApi(API_VERSION);
  const types: Record<string, string> = { P: "void *", Z: "size_t", I: "int" };
  const api: Partial<Record<keyof typeof members, NativeFunction>> = {};
  for (const [name, [index, args]] of Object.entries(members)) {
    const proto = koffi.proto(
      "void *",
      [...args].map((c) => types[c]!),
    );
    api[name as keyof typeof members] = koffi.decode(
      pointer(table, index),
      proto,
    ) as NativeFunction;
  }
  return { library, api: api as Api };
}

function messageOf(api: Api, status: Address): string {
  const text = koffi.decode(api.GetErrorMessage(status)!, "char", -1) as string;
  api.ReleaseStatus(status);
  return text;
}

function check(api: Api, what: string, status: Address | null): void {
  if (status === null || status === 0n) return;
  throw new BackendError(`ONNX Runtime could not ${what}: ${messageOf(api, status)}`);
}

export interface RuntimeOptions {
  /**
   * Threads of the process-wide pool, including the calling thread. Absent: the number already in use in this process,
   * or one for each core.
   */
  readonly threads?: number | undefined;
}

/**
 * Loads the library, once in a process. ONNX Runtime has one thread pool of fixed size for
 * all sessions, so later callers must ask for the same number of threads. If this platform has no library, or the
 * library does not load, returns the reason.
 */
export function openRuntime(options: RuntimeOptions): string | undefined {
  const threads = options.threads ?? loaded?.threads ?? availableParallelism();
  if (!Number.isInteger(threads) || threads < 1 || threads > 1024)
    throw new BackendError(`threads must be a whole number from 1 to 1024, got ${threads}`);
  if (loaded !== undefined) {
    if (loaded.threads !== threads)
      throw new BackendError(
        `ONNX Runtime already runs with ${loaded.threads} threads in this process and cannot change to ${threads}: give every backend the same number`,
      );
    return undefined;
  }
  const path = nativeLibrary();
  if (path === undefined) return `none came for ${process.platform}-${process.arch}`;
  let found: ReturnType<typeof loadApi>;
  try {
    found = loadApi(path);
  } catch (error) {
    return `${path}: ${error instanceof Error ? error.message : String(error)}`;
  }
  loaded = { ...found, path, threads };
  return undefined;
}

/**
 * Creates the environment of the library that `openRuntime` has loaded, once in a process, on a thread of its own: it names all
 * operators that there are, which takes as long as reading a model's settings.
 */
export const startRuntime: () => Promise<void> = whenNeeded(async () => {
  if (loaded === undefined) throw new BackendError("openRuntime was not called");
  started = await createRuntime(loaded);
});

async function createRuntime(library: Library): Promise<Started> {
  const { api, path, threads } = library;
  const created = new Pinned(8);
  const createdSlot = new BigUint64Array(created.bytes.buffer, 0, 1);
  const create = (what: string, call: (out: Address) => Address | null): Address => {
    check(api, what, call(created.address));
    return createdSlot[0]!;
  };
  const pool = create("make threading options", (out) => api.CreateThreadingOptions(out));
  check(api, "set threads", api.SetGlobalIntraOpNumThreads(pool, threads));
  check(api, "set threads", api.SetGlobalInterOpNumThreads(pool, 1));
  check(
    api,
    "start",
    await called(
      api.CreateEnvWithGlobalThreadPools,
      LOG_FATAL,
      LOG_ID.address,
      pool,
      created.address,
    ),
  );
  const env = createdSlot[0]!;
  // Where the variable says nothing: Windows.
  check(api, "turn its reports off", api.DisableTelemetryEvents(env));
  const cpuMemory = create("describe memory", (out) =>
    api.CreateCpuMemoryInfo(ARENA_ALLOCATOR, DEFAULT_MEMORY, out),
  );
  check(api, "share memory", api.CreateAndRegisterAllocator(env, cpuMemory, 0n));
  const dims = new Pinned(8 * MAX_RANK);
  const dimSlots = new BigInt64Array(dims.bytes.buffer, 0, MAX_RANK);
  const directory = Pinned.text(dirname(path));
  return { ...library, env, directory, cpuMemory, created, createdSlot, dims, dimSlots };
}

/** Calls on a worker thread. JavaScript continues meanwhile. */
function called(native: NativeFunction, ...args: Argument[]): Promise<Address | null> {
  return new Promise((resolve, reject) => {
    native.async(...args, (error, result) => {
      if (error) reject(new BackendError(`cannot start a call: ${error.message}`));
      else resolve(result);
    });
  });
}

/** Failures are returned as errors. At lower levels ONNX Runtime would also print them to stderr. */
const LOG_FATAL = 4;
const ARENA_ALLOCATOR = 1;
const DEFAULT_MEMORY = 0;

function runtime(): Started {
  if (started === undefined) throw new BackendError("startRuntime was not called");
  return started;
}

function makeObject(what: string, call: (r: Started, out: Address) => Address | null): Address {
  const r = runtime();
  check(r.api, what, call(r, r.created.address));
  return r.createdSlot[0]!;
}

/** A tensor over the caller's memory, which stays reachable until the tensor is released. */
export class NativeTensor {
  readonly #keep: ArrayBufferView | Pinned;
  #address: Address;

  /** `type` is an onnx.proto3 element type; `data` must have the size of `dims`, in bytes. */
  constructor(data: ArrayBufferView, type: number, dims: readonly number[]) {
    // An empty array has no address, and the address of a tensor must not be zero.
    const empty = data.byteLength === 0 ? new Pinned(0) : undefined;
    this.#keep = empty ?? data;
    const at = empty?.address ?? (koffi.address(data) as Address);
    this.#address = makeObject("describe a tensor", (r, out) => {
      if (dims.length > MAX_RANK) throw new BackendError(`tensors have at most ${MAX_RANK} axes`);
      for (let i = 0; i < dims.length; i++) r.dimSlots[i] = BigInt(dims[i]!);
      return r.api.CreateTensorWithDataAsOrtValue(
        r.cpuMemory,
        at,
        data.byteLength,
        r.dims.address,
        dims.length,
        type,
        out,
      );
    });
  }

  get address(): Address {
    if (this.#address === 0n) throw new BackendError("tensor used after it was released");
    return this.#address;
  }

  get keeps(): object {
    return this.#keep;
  }

  /** Gives back memory that can be read from a file again. */
  dropPages(): void {
    if (!(this.#keep instanceof Pinned)) dropPages(this.#keep);
  }

  release(): void {
    if (this.#address === 0n) return;
    runtime().api.ReleaseValue(this.#address);
    this.#address = 0n;
  }
}

type NamedTensor = Named<NativeTensor>;

const SHARE: Pinned = Pinned.text("session.use_env_allocators");
const EXTERNAL_FOLDER: Pinned = Pinned.text("session.model_external_initializers_file_folder_path");
const YES: Pinned = Pinned.text("1");

/** Constants in the layout into which their kernels repacked them, shared by sessions that use the same constants. */
export class PackedConstants {
  #address: Address;

  constructor() {
    this.#address = makeObject("share packed weights", (r, out) =>
      r.api.CreatePrepackedWeightsContainer(out),
    );
  }

  get address(): Address {
    if (this.#address === 0n)
      throw new BackendError("packed weights used after they were released");
    return this.#address;
  }

  /** To be called after the last session that uses it is disposed. */
  release(): void {
    if (this.#address === 0n) return;
    runtime().api.ReleasePrepackedWeightsContainer(this.#address);
    this.#address = 0n;
  }
}

export interface SessionConstants {
  /** Constants that the model declares as external. Read in place for as long as the session lives. */
  readonly tensors: readonly NamedTensor[];
  readonly packed: PackedConstants;
  readonly onRelease: () => void;
}

/**
 * A loaded model. The settings were chosen by measurement (a training step of 138 GFLOP, two threads):
 * - No graph optimizer. The lowering already writes what it would produce, and levels 1, 2 and all were not faster.
 *   Without it, exactly the nodes of `lower.ts` run, which the aliasing rules rely on.
 * - No memory pattern. It did not change steady-state time, but allocates every intermediate a second time at the
 * second
 *   run (1.6 against 0.9 GB, and a second of page faults).
 * - One arena for all sessions, because sessions mostly run one after another. Without any arena each run has 170,000
 *   page faults (25 % of the step).
 */
export class NativeSession {
  #address: Address;
  readonly #constants: SessionConstants;

  constructor(model: Uint8Array, constants: SessionConstants) {
    const { tensors, packed } = (this.#constants = constants);
    const options = makeObject("make session options", (r, out) => r.api.CreateSessionOptions(out));
    const { api } = runtime();
    try {
      check(api, "share threads", api.DisablePerSessionThreads(options));
      check(api, "set logging", api.SetSessionLogSeverityLevel(options, LOG_FATAL));
      check(api, "set optimization", api.SetSessionGraphOptimizationLevel(options, 0));
      check(api, "set memory", api.DisableMemPattern(options));
      check(api, "set memory", api.AddSessionConfigEntry(options, SHARE.address, YES.address));
      const names = tensors.map(({ name }) => Pinned.text(name));
      for (const [i, { tensor }] of tensors.entries())
        check(
          api,
          "hand over a weight",
          api.AddInitializer(options, names[i]!.address, tensor.address),
        );
      const { directory } = runtime();
      check(
        api,
        "set the folder",
        api.AddSessionConfigEntry(options, EXTERNAL_FOLDER.address, directory.address),
      );
      this.#address = makeObject("load the graph", (r, out) =>
        r.api.CreateSessionFromArrayWithPrepackedWeightsContainer(
          r.env,
          koffi.address(model) as Address,
          model.byteLength,
          options,
          packed.address,
          out,
        ),
      );
    } catch (error) {
      // The library keeps one environment for the process, which whoever came first has created.
      if (
        error instanceof BackendError &&
        error.message.includes("EnvCreatedWithGlobalThreadPools")
      )
        throw new BackendError(
          "onnxruntime-node's own interface was used first in this process, so there is no shared thread pool: create this backend before it",
          { cause: error },
        );
      throw error;
    } finally {
      api.ReleaseSessionOptions(options);
    }
    // Kernels have what they read most in a layout of their own.
    for (const { tensor } of tensors) tensor.dropPages();
  }

  get address(): Address {
    if (this.#address === 0n) throw new BackendError("session used after it was disposed");
    return this.#address;
  }

  release(): void {
    if (this.#address === 0n) return;
    runtime().api.ReleaseSession(this.#address);
    this.#address = 0n;
    for (const { tensor } of this.#constants.tensors) tensor.release();
    this.#constants.onRelease();
  }

  prepare(inputs: readonly NamedTensor[], outputs: readonly NamedTensor[]): PreparedRun {
    return new PreparedRun(this, inputs, outputs);
  }
}

/**
 * Runs in flight at the same time; the others wait in order. More would not be faster, as all share one pool. Each
 * takes one of Node's own four threads, which file operations need too, and 8 MiB of stack.
 */
const MAX_IN_FLIGHT = 3;

let inFlight = 0;
const waiting: (() => void)[] = [];

/** Undefined if a run may start immediately; then it starts synchronously. */
function enterFlight(): Promise<void> | undefined {
  if (inFlight >= MAX_IN_FLIGHT) return new Promise<void>((resolve) => waiting.push(resolve));
  inFlight++;
  return undefined;
}

/** Lets the run that has waited longest start. */
function leaveFlight(): void {
  const next = waiting.shift();
  if (next === undefined) inFlight--;
  else next();
}

/**
 * A run, prepared to be repeated. Every argument of the native call is fixed here, so a run allocates nothing. Keeps
 * its tensors reachable; the caller releases them when no run is in flight.
 */
export class PreparedRun {
  readonly #arguments: readonly Argument[];
  /** The arguments point into these. Never read, but must stay reachable. */
  readonly keeps: readonly unknown[];

  constructor(
    session: NativeSession,
    inputs: readonly NamedTensor[],
    outputs: readonly NamedTensor[],
  ) {
    const names = [...inputs, ...outputs].map(({ name }) => Pinned.text(name));
    const inputNames = Pinned.addresses(names.slice(0, inputs.length).map((p) => p.address));
    const outputNames = Pinned.addresses(names.slice(inputs.length).map((p) => p.address));
    const inputValues = Pinned.addresses(inputs.map(({ tensor }) => tensor.address));
    const outputValues = Pinned.addresses(outputs.map(({ tensor }) => tensor.address));
    this.keeps = [
      session,
      inputs,
      outputs,
      names,
      inputNames,
      outputNames,
      inputValues,
      outputValues,
    ];
    this.#arguments = [
      session.address,
      0n,
      inputNames.address,
      inputValues.address,
      inputs.length,
      outputNames.address,
      outputs.length,
      outputValues.address,
    ];
  }

  /** Runs on a worker thread. JavaScript continues meanwhile. */
  async run(): Promise<void> {
    const { api } = runtime();
    const entry = enterFlight();
    if (entry !== undefined) await entry;
    try {
      const status = await called(api.Run, ...this.#arguments);
      check(api, "run the graph", status);
    } finally {
      leaveFlight();
    }
  }
}

/** The addresses that `view` covers. Two views may share memory although their buffer objects differ. */
export function spanOf(view: ArrayBufferView): Span {
  const start = view.byteLength === 0 ? 0n : (koffi.address(view) as Address);
  return { start, end: start + BigInt(view.byteLength) };
}
