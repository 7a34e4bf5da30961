/**
 * Measures this machine for a table, or for a model with its tables, and forecasts decoding with the table in each
 * tier. Combines measurements (`machine/node`), stores and models; prints nothing. `bench/doctor-forecast.ts` checks
 * the forecasts against real decoding.
 */
import { isReleasedLayout, locateCounts, locateTables } from "./at-rest/index.ts";
import { DisposalStack } from "./disposal-stack.ts";
import { InvalidConfigError } from "./errors.ts";
import { Decoder, type LanguageModel } from "./inference/index.ts";
import { loadModel, openFilesAt } from "./load-model.ts";
import {
  forecast,
  type Forecast,
  type MachineMemory,
  type RowTime,
  type Spread,
  spreadOf,
  timeRows,
} from "./machine/index.ts";
import {
  createScratchTable,
  emptyPageCache,
  measureBandwidth,
  processorCacheEvictor,
  readMachineMemory,
} from "./machine/node/index.ts";
import {
  BLOCK_BYTES,
  blocksPerPosition,
  cached,
  CountedMemory,
  countsOf,
  findEngramConfig,
  numColumns,
  RamStore,
  type RowStore,
  withCounts,
  withRows,
} from "./memory/index.ts";
import { keyValueBytes, readModelConfig } from "./model/index.ts";

/** A table that need not exist. */
export interface TableToPlan {
  readonly numRows: number;
  readonly rowBytes: number;
}

export interface ExamineOptions {
  /** A directory with tables, in our layout or the released one; its own files are read. */
  readonly model?: string;
  /** Or a table of this size, for which a scratch file in `directory` is written and read. */
  readonly table?: TableToPlan;
  readonly directory: string;
  /** Called with what is being measured. */
  readonly onPhase?: (text: string) => void;
  readonly signal?: AbortSignal;
}

export interface TierForecast extends Forecast {
  readonly tier: string;
  /** Size of a cache, as a share of the bytes of all tables. */
  readonly share?: number;
  readonly hitRate: number;
  /** Weights, keys and values of one text, and the tables' share. */
  readonly memoryBytes: number;
  readonly fits: boolean;
  /** Whether a token waits for its rows for more than a twentieth of its time. */
  readonly stalls: boolean;
}

export interface DoctorReport {
  readonly machine: MachineMemory & { readonly copyBytesPerSecond: number };
  readonly table: {
    readonly rows: number;
    readonly rowBytes: number;
    readonly bytes: number;
    /** Of all Engram layers, and blocks of counts, whose number is an estimate. */
    readonly rowsPerToken: number;
  };
  readonly model?: {
    readonly path: string;
    readonly layout: "engram" | "released";
    /** Whether the directory says how often rows were used, so that caches are warmed. */
    readonly usesCounted: boolean;
    /** Milliseconds of a token, its rows at hand; where there is a backbone that we can run. */
    readonly compute?: Spread;
    /** The same if its rows arrive while it computes: in parts. */
    readonly computeInParts?: Spread;
    readonly weightBytes?: number;
    readonly keyValueBytes?: number;
  };
  /** Milliseconds for so many random rows at once. */
  readonly reads: {
    readonly memory: readonly RowTime[];
    readonly diskWarm: readonly RowTime[];
    /** Absent if the page cache cannot be emptied, or the disk is in memory itself. */
    readonly diskCold?: readonly RowTime[];
  };
  readonly disk: {
    readonly where: string;
    readonly isInMemory: boolean;
    /** Reads that Node has in flight. */
    readonly readThreads: number;
  };
  readonly tiers: readonly TierForecast[];
}

/** As in the paper's layout: orders 2 and 3, 8 heads. */
const ASSUMED_ROWS_PER_TOKEN = 16;
const SCRATCH_BYTES = 256 * 2 ** 20;
/** Rows of a warm file: enough that the processor's caches do not hold them. */
const WARM_ROWS = 16_384;
const STALL_SHARE = 0.05;

/**
 * Hit rates on English articles, whose subject changes from article to article, by the cache's share of the table
 * (docs/log.md): of a cache warmed with the counts of training, as `loadModel` does if a directory has them, and of
 * one that started empty. Other texts have other rates.
 */
export const usualHitRates: readonly {
  readonly share: number;
  readonly hitRate: number;
  readonly unwarmed: number;
}[] = [
  { share: 1 / 4, hitRate: 0.55, unwarmed: 0.49 },
  { share: 1 / 16, hitRate: 0.38, unwarmed: 0.35 },
  { share: 1 / 64, hitRate: 0.27, unwarmed: 0.25 },
];

/** Takes about ten seconds. Rejects with the signal's reason when it is aborted; leaves nothing behind. */
export async function examine(options: ExamineOptions): Promise<DoctorReport> {
  const { onPhase = () => undefined, signal } = options;
  const subject = await openSubject(options);
  try {
    onPhase("measuring memory");
    const machine = { ...readMachineMemory(), copyBytesPerSecond: measureBandwidth() };
    signal?.throwIfAborted();
    const { tables, rowsPerToken } = subject;
    const bytes = tables.reduce((n, { numRows, rowBytes }) => n + numRows * rowBytes, 0);
    const memory = await timeInMemory(tables[0]!, signal);
    onPhase(`measuring the disk of ${subject.where}`);
    const { warm, cold } = await timeOnDisk(subject, signal);
    signal?.throwIfAborted();
    if (subject.model?.layout === "engram") onPhase("measuring the computation");
    const model = subject.model && { ...subject.model, ...(await backboneOf(subject.model)) };
    return {
      machine,
      table: {
        rows: tables.reduce((n, { numRows }) => n + numRows, 0),
        rowBytes: tables[0]!.rowBytes,
        bytes,
        rowsPerToken,
      },
      ...(model && { model }),
      reads: { memory, diskWarm: warm, ...(cold && { diskCold: cold }) },
      disk: {
        where: subject.where,
        isInMemory: subject.isInMemory,
        readThreads: Number(process.env["UV_THREADPOOL_SIZE"] ?? 4),
      },
      tiers: forecastTiers({
        tableBytes: bytes,
        otherBytes: (model?.weightBytes ?? 0) + (model?.keyValueBytes ?? 0),
        availableBytes: machine.availableBytes,
        rowsPerToken,
        compute: model?.compute,
        computeInParts: model?.computeInParts,
        memory,
        warm,
        cold,
        isWarmed: model?.usesCounted ?? true,
      }),
    };
  } finally {
    await subject.close();
  }
}

export interface TierInput {
  readonly tableBytes: number;
  /** Weights, keys and values. */
  readonly otherBytes: number;
  readonly availableBytes: number;
  readonly rowsPerToken: number;
  readonly compute?: Spread | undefined;
  /** Where rows come late. Default: `compute`. */
  readonly computeInParts?: Spread | undefined;
  readonly memory: readonly RowTime[];
  readonly warm: readonly RowTime[];
  readonly cold?: readonly RowTime[] | undefined;
  /** Whether caches are warmed with counts of use. Default true. */
  readonly isWarmed?: boolean;
}

/** Every tier, fastest first. Misses are forecast cold where that could be measured. */
export function forecastTiers(input: TierInput): TierForecast[] {
  const { tableBytes, otherBytes, availableBytes, warm, cold, isWarmed = true } = input;
  const tier = (
    name: string,
    {
      share = 0,
      hitRate,
      misses,
    }: { share?: number; hitRate: number; misses?: readonly RowTime[] },
  ): TierForecast => {
    const isLate = misses !== undefined && misses === cold;
    const compute = (isLate ? input.computeInParts : undefined) ?? input.compute;
    const found = forecast({ ...input, compute, hitRate, ...(misses && { misses }) });
    const memoryBytes = otherBytes + share * tableBytes;
    const isCache = share > 0 && share < 1;
    return {
      tier: name,
      ...(isCache && { share }),
      hitRate,
      memoryBytes,
      fits: memoryBytes <= availableBytes,
      ...found,
      stalls: found.stallShare > STALL_SHARE,
    };
  };
  const misses = cold ?? warm;
  return [
    tier("memory", { share: 1, hitRate: 1 }),
    ...usualHitRates.map(({ share, hitRate, unwarmed }) =>
      tier(`cache of 1/${Math.round(1 / share)}`, {
        share,
        hitRate: isWarmed ? hitRate : unwarmed,
        misses,
      }),
    ),
    tier("disk, in the page cache", { hitRate: 0, misses: warm }),
    ...(cold === undefined ? [] : [tier("disk, cold", { hitRate: 0, misses: cold })]),
  ];
}

/** What is measured. */
interface Subject {
  readonly tables: readonly (TableToPlan & { readonly store: RowStore })[];
  readonly rowsPerToken: number;
  readonly where: string;
  readonly isInMemory: boolean;
  readonly model?: {
    readonly path: string;
    readonly layout: "engram" | "released";
    readonly usesCounted: boolean;
  };
  makeCold(): boolean;
  close(): Promise<void>;
}

async function openSubject({
  model,
  table,
  directory,
  onPhase,
  signal,
}: ExamineOptions): Promise<Subject> {
  if (model !== undefined) return openModelSubject(model);
  const { numRows, rowBytes } = table!;
  onPhase?.(`writing a scratch file in ${directory}`);
  const scratch = await createScratchTable(directory, {
    rowBytes,
    maxBytes: Math.min(SCRATCH_BYTES, numRows * rowBytes),
    milliseconds: 1500,
    ...(signal && { signal }),
  });
  return {
    tables: [{ numRows, rowBytes, store: scratch.store }],
    rowsPerToken: ASSUMED_ROWS_PER_TOKEN,
    where: directory,
    isInMemory: scratch.isInMemory,
    makeCold: () => scratch.evict(),
    close: () => scratch.close(),
  };
}

async function openModelSubject(model: string): Promise<Subject> {
  await using opened = new DisposalStack();
  const files = opened.adopt(await openFilesAt(model), (one) => one.close());
  const engram = findEngramConfig(files.config);
  const isReleased = engram !== undefined && (await isReleasedLayout(files, engram));
  const tables = engram === undefined ? [] : await locateTables(files, engram);
  // The released layout has tables, and no model that could be computed here.
  const counts = isReleased
    ? undefined
    : await locateCounts(files, await readModelConfig(files.config, engram));
  if (counts !== undefined) tables.push(counts.table);
  if (tables.length === 0)
    throw new InvalidConfigError(
      `${model}: the model has no memory, so it has no table to measure`,
    );
  const blocks = counts && blocksPerPosition(await counts.directory(), BLOCK_BYTES);
  const rows = engram === undefined ? 0 : numColumns(engram) * engram.layerIds.length;
  const stores: RowStore[] = [];
  for (const table of tables) stores.push(opened.adopt(await table.open(), (one) => one.close()));
  const paths = tables.flatMap(({ parts }) =>
    parts.map(({ tensor }) => files.source.nameOf(tensor.file)),
  );
  const usesCounted = tables[0]!.useCodes !== undefined;
  const owned = opened.move();
  return {
    tables: stores.map((store) => ({
      numRows: store.numRows,
      rowBytes: store.rowBytes,
      store,
    })),
    rowsPerToken: rows + Math.ceil(blocks ?? 0),
    where: model,
    isInMemory: false,
    model: { path: model, layout: isReleased ? "released" : "engram", usesCounted },
    makeCold: () => paths.every((path) => emptyPageCache(path)),
    close: () => owned[Symbol.asyncDispose](),
  };
}

/** Times of a table of the same size, or one large enough that the processor's caches do not help. */
async function timeInMemory(
  { numRows, rowBytes }: TableToPlan,
  signal: AbortSignal | undefined,
): Promise<RowTime[]> {
  const rows = Math.max(1, Math.min(numRows, Math.floor(SCRATCH_BYTES / rowBytes)));
  const store = new RamStore({ numRows: rows, rowBytes });
  // All pages that were never written are one page of zeros.
  for (const segment of store.segments) segment.fill(1);
  try {
    return await timeRows(store, { milliseconds: 300, before: processorCacheEvictor(), signal });
  } finally {
    await store.close();
  }
}

async function timeOnDisk(
  { tables, isInMemory, makeCold }: Subject,
  signal: AbortSignal | undefined,
): Promise<{ warm: RowTime[]; cold: RowTime[] | undefined }> {
  const { store, rowBytes } = tables[0]!;
  // Reads as decoding does: through a cache, which has hardly any of these rows.
  const behindCache = cached(store, { bytes: SPARE_CACHE_BYTES / 16 });
  const before = processorCacheEvictor();
  let isCold = !isInMemory;
  // Until a twentieth of its pages is in the page cache again: after that, some rows would be warm.
  const pages = (store.numRows * rowBytes) / 4096;
  const cold = isCold
    ? await timeRows(behindCache, {
        milliseconds: 600,
        before,
        signal,
        makeCold: {
          everyRows: Math.ceil(pages / 20),
          run: () => void (isCold &&= makeCold()),
        },
      })
    : undefined;
  const stride = Math.max(1, Math.floor(store.numRows / WARM_ROWS));
  const among = Uint32Array.from(
    { length: Math.min(WARM_ROWS, store.numRows) },
    (_, i) => i * stride,
  );
  for (let first = 0; first < among.length; first += 1024) {
    signal?.throwIfAborted();
    const some = among.subarray(first, first + 1024);
    await store.read(some, new Uint8Array(some.length * rowBytes));
  }
  const warm = await timeRows(behindCache, { milliseconds: 300, before, among, signal });
  return { warm, cold: isCold ? cold : undefined };
}

interface Backbone {
  readonly compute: Spread;
  readonly computeInParts: Spread;
  readonly weightBytes: number;
  readonly keyValueBytes: number;
}

/** Decodes with tables that answer at once, so that computing is all that is left to time. */
async function backboneOf({
  path,
  layout,
}: NonNullable<Subject["model"]>): Promise<Backbone | undefined> {
  if (layout === "released") return undefined;
  await using model = await loadModel(path, { tableMemory: SPARE_CACHE_BYTES, warm: false });
  const { language } = model;
  const { config, params } = language;
  return {
    compute: await timeTokens(language, { isLate: false }),
    computeInParts: await timeTokens(language, { isLate: true }),
    weightBytes: Object.values(params).reduce((n, { data }) => n + data.byteLength, 0),
    keyValueBytes: config.maxPositions * keyValueBytes(config),
  };
}

/** Decodes with tables that take no time, but may answer only when they are waited for. */
async function timeTokens(
  language: LanguageModel,
  { isLate }: { isLate: boolean },
): Promise<Spread> {
  const { config } = language;
  await using decoder = new Decoder({ ...language, memory: memoryAt(language, { isLate }) });
  await using session = decoder.createSession();
  const ids: number[] = [];
  for (let id = 1; ids.length < Math.min(TIMED_IDS, config.maxPositions);)
    ids.push((id = (id * 7 + 1) % config.vocabSize));
  const times: number[] = [];
  // What counts need of these ids is in the cache before the time counts.
  if (language.memory?.numDistributions !== undefined) await session.append(ids);
  const end = performance.now() + 1000;
  for (let i = 0; performance.now() < end; i = (i + 1) % ids.length) {
    if (i === 0) session.rewind(0);
    const start = performance.now();
    await session.append([ids[i]!]);
    times.push(performance.now() - start);
  }
  // The first ones compile.
  return spreadOf(times.length > 8 ? times.slice(4) : times);
}

const TIMED_IDS = 128;

/** The memory with learned rows from nowhere, and counts, which must be read, from their cache. */
function memoryAt(
  { memory }: LanguageModel,
  { isLate }: { isLate: boolean },
): LanguageModel["memory"] {
  if (memory === undefined) return undefined;
  const rows = withRows(memory, (own) =>
    own.withTables((table) => ({ ...table, store: nowhere(table.store, { isLate }) })),
  );
  const counts = countsOf(rows);
  if (counts === undefined || !isLate) return rows;
  const { buckets } = counts.table;
  const late: RowStore = {
    ...nowhere(buckets, { isLate }),
    read: (blocks, into) => buckets.read(blocks, into),
  };
  const { layerId } = counts.inputs[0]!;
  return withCounts(rows, new CountedMemory({ ...counts.table, buckets: late }, { layerId }));
}

/** For all tables together; nothing is read through these caches. */
const SPARE_CACHE_BYTES = 16 * 2 ** 20;

/** A store that leaves the caller's array as it is, and answers at once or only with waiting. */
export function nowhere(
  { numRows, rowBytes }: Pick<RowStore, "numRows" | "rowBytes">,
  { isLate }: { isLate: boolean },
): RowStore {
  return {
    numRows,
    rowBytes,
    read: () => Promise.resolve(),
    readNow: () => !isLate,
    close: () => Promise.resolve(),
  };
}
