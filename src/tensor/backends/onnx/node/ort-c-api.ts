/**
 * ONNX Runtime's C interface, called through koffi in its native library. This is the one module that
 * holds addresses: everything it gives out is an object with a `release`, and everything that may fail
 * throws `BackendError` with ONNX Runtime's own message.
 * It knows sessions, tensors and runs; nothing of our graphs or ops.
 *
 * Two things here are easy to get wrong. The library handle is kept in a module variable: once
 * collected, the library is unloaded under running sessions. And addresses are only taken of buffers
 * outside V8's heap: `koffi.address` moves a small typed array's bytes out for good.
 */
import { availableParallelism } from "node:os";
import { dirname } from "node:path";
import { BackendError } from "../../../../errors.ts";
import type { Span } from "../aliasing.ts";
import { nativeLibrary } from "./engine-files.ts";
import { koffi } from "./ffi.ts";

/** The only release whose function table was checked against this file. */
const SUPPORTED = "1.30";
const API_VERSION = 30;

type Address = bigint;

/**
 * Members of `struct OrtApi` that are used: position in the struct, then argument types (P pointer,
 * Z size, I int32). Positions were counted in the initializer of the table in ONNX Runtime's
 * core/session/onnxruntime_c_api.cc; they never change between releases, new ones are appended.
 */
const members = {
  GetErrorMessage: [2, "P"],
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

/** Off-heap bytes whose address never changes. Kept alive by whoever holds the object. */
class Pinned {
  readonly bytes: Uint8Array<ArrayBuffer>;
  #address: Address | undefined;

  constructor(length: number) {
    this.bytes = new Uint8Array(Math.max(length, 128));
  }

  /** Asked for at the first use: constants are made also where koffi cannot be loaded. */
  get address(): Address {
    return (this.#address ??= koffi.address(this.bytes) as Address);
  }

  static text(value: string): Pinned {
    const encoded = new TextEncoder().encode(value);
    const p = new Pinned(encoded.length + 1);
    p.bytes.set(encoded);
    return p;
  }

  static addresses(values: readonly Address[]): Pinned {
    const p = new Pinned(8 * values.length);
    new BigUint64Array(p.bytes.buffer).set(values);
    return p;
  }
}

interface Loaded {
  /** Never read again, but must stay reachable. */
  readonly library: unknown;
  readonly api: Api;
  readonly env: Address;
  /** The library's own directory: one that is sure to exist. */
  readonly directory: Pinned;
  readonly cpuMemory: Address;
  readonly threads: number;
  /** Where calls write the object they create. */
  readonly created: Pinned;
  readonly createdSlot: BigUint64Array;
  /** Where a tensor's dimensions stand while it is created. */
  readonly dims: Pinned;
  readonly dimSlots: BigInt64Array;
}

/** More axes than any tensor here has. */
const MAX_RANK = 16;

let loaded: Loaded | undefined;

const LOG_ID: Pinned = Pinned.text("engram");

function loadApi(path: string): { library: unknown; api: Api } {
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
   * Threads of the process-wide pool, the calling thread included. Absent: what the process already
   * runs with, or else one for each core.
   */
  readonly threads?: number | undefined;
}

/**
 * Loads the library and creates its environment, once for the process: ONNX Runtime has one
 * thread pool of fixed size for all sessions, so a later caller must ask for the same number.
 * Returns why, where this platform has no library or the one that is there does not load.
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
  const { library, api } = found;
  const created = new Pinned(8);
  const createdSlot = new BigUint64Array(created.bytes.buffer, 0, 1);
  const create = (what: string, call: (out: Address) => Address | null): Address => {
    check(api, what, call(created.address));
    return createdSlot[0]!;
  };
  const pool = create("make threading options", (out) => api.CreateThreadingOptions(out));
  check(api, "set threads", api.SetGlobalIntraOpNumThreads(pool, threads));
  check(api, "set threads", api.SetGlobalInterOpNumThreads(pool, 1));
  const env = create("start", (out) =>
    api.CreateEnvWithGlobalThreadPools(LOG_FATAL, LOG_ID.address, pool, out),
  );
  const cpuMemory = create("describe memory", (out) =>
    api.CreateCpuMemoryInfo(ARENA_ALLOCATOR, DEFAULT_MEMORY, out),
  );
  check(api, "share memory", api.CreateAndRegisterAllocator(env, cpuMemory, 0n));
  const dims = new Pinned(8 * MAX_RANK);
  const dimSlots = new BigInt64Array(dims.bytes.buffer, 0, MAX_RANK);
  const directory = Pinned.text(dirname(path));
  loaded = {
    library,
    api,
    env,
    directory,
    cpuMemory,
    threads,
    created,
    createdSlot,
    dims,
    dimSlots,
  };
  return undefined;
}

/** Failures come back as errors; ONNX Runtime would print them to stderr as well. */
const LOG_FATAL = 4;
const ARENA_ALLOCATOR = 1;
const DEFAULT_MEMORY = 0;

function runtime(): Loaded {
  if (loaded === undefined) throw new BackendError("openRuntime was not called");
  return loaded;
}

function makeObject(what: string, call: (r: Loaded, out: Address) => Address | null): Address {
  const r = runtime();
  check(r.api, what, call(r, r.created.address));
  return r.createdSlot[0]!;
}

/** A tensor over the caller's memory; keeps that memory reachable until released. */
export class NativeTensor {
  readonly #keep: ArrayBufferView | Pinned;
  #address: Address;

  /** `type` is an onnx.proto3 element type; `data` must have the size of `dims`, in bytes. */
  constructor(data: ArrayBufferView, type: number, dims: readonly number[]) {
    // An empty array has no address, and a tensor may not lie at zero.
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

  release(): void {
    if (this.#address === 0n) return;
    runtime().api.ReleaseValue(this.#address);
    this.#address = 0n;
  }
}

export interface NamedTensor {
  readonly name: string;
  readonly tensor: NativeTensor;
}

const SHARE: Pinned = Pinned.text("session.use_env_allocators");
const EXTERNAL_FOLDER: Pinned = Pinned.text("session.model_external_initializers_file_folder_path");
const YES: Pinned = Pinned.text("1");

/** What sessions over the same constants share: those constants as their kernels have repacked them. */
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

  /** After the last session that was made with it. */
  release(): void {
    if (this.#address === 0n) return;
    runtime().api.ReleasePrepackedWeightsContainer(this.#address);
    this.#address = 0n;
  }
}

export interface SessionConstants {
  /** Constants that the model declares as external. Read where they lie, for as long as the session lives. */
  readonly tensors: readonly NamedTensor[];
  readonly packed: PackedConstants;
}

/**
 * A loaded model. The settings, by measurement (a training step of 138 GFLOP, two threads):
 * - no graph optimizer: the lowering is already what it would write, and levels 1, 2 and all were not
 *   quicker; without it, what runs is what `lower.ts` says, which the aliasing rules rely on;
 * - no memory pattern: it changed no steady-state time but allocates every intermediate a second time
 *   at the second run (1.6 against 0.9 GB, and a second of page faults);
 * - one arena for all sessions, as sessions mostly run in turn; without any arena each run pays for
 *   170,000 page faults (25 % of the step).
 */
export class NativeSession {
  #address: Address;
  readonly #constants: readonly NamedTensor[];

  constructor(model: Uint8Array, { tensors, packed }: SessionConstants) {
    this.#constants = tensors;
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
      // The library keeps one environment a process, whoever made it first.
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
  }

  get address(): Address {
    if (this.#address === 0n) throw new BackendError("session used after it was disposed");
    return this.#address;
  }

  release(): void {
    if (this.#address === 0n) return;
    runtime().api.ReleaseSession(this.#address);
    this.#address = 0n;
    for (const { tensor } of this.#constants) tensor.release();
  }
}

/**
 * More would not be quicker, as all share one pool; each takes a thread of Node's own four, which
 * files need too, and 8 MiB of stack. The rest wait here in order.
 */
const MAX_IN_FLIGHT = 3;

let inFlight = 0;
const waiting: (() => void)[] = [];

/** Undefined where there is a place at once: the run then begins before its caller goes on. */
function enterFlight(): Promise<void> | undefined {
  if (inFlight >= MAX_IN_FLIGHT) return new Promise<void>((resolve) => waiting.push(resolve));
  inFlight++;
  return undefined;
}

/** Hands the place to the run that has waited longest. */
function leaveFlight(): void {
  const next = waiting.shift();
  if (next === undefined) inFlight--;
  else next();
}

/**
 * One run, ready to repeat: every argument of the native call is fixed here, so a run allocates
 * nothing. Holds its tensors; the caller releases them once no run is in flight.
 */
export class PreparedRun {
  readonly #arguments: readonly Argument[];
  /** The arguments point into these; never read, but must stay reachable. */
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

  /** Runs on a worker thread; JavaScript goes on meanwhile. */
  async run(): Promise<void> {
    const { api } = runtime();
    const entry = enterFlight();
    if (entry !== undefined) await entry;
    try {
      const status = await new Promise<Address | null>((resolve, reject) => {
        api.Run.async(...this.#arguments, (error, result) => {
          if (error) reject(new BackendError(`cannot start a run: ${error.message}`));
          else resolve(result);
        });
      });
      check(api, "run the graph", status);
    } finally {
      leaveFlight();
    }
  }
}

/** The addresses `view` covers. Two views may share memory under different buffer objects. */
export function spanOf(view: ArrayBufferView): Span {
  const start = view.byteLength === 0 ? 0n : (koffi.address(view) as Address);
  return { start, end: start + BigInt(view.byteLength) };
}
