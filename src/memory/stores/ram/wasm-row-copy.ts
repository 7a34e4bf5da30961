/**
 * Copies random rows with 128-bit loads: a WebAssembly module of two functions, assembled here. A
 * JavaScript loop moves 4 bytes at a time behind a bounds check; this moves 16 without one and keeps
 * more cache misses in flight (bench/row-lookup.ts: 64-byte rows of a 4 GiB table at 0.6 to 0.8 of a C
 * loop's rate, JavaScript's at 0.2 to 0.3). Knows memories and byte counts, not stores.
 *
 *   (import "e" "table" (memory 0))    one segment of a table, shared
 *   (import "e" "window" (memory 1))   what goes in and out: entries and row bytes
 *   gather(entries, end, rows, rowBytes)
 *     for each entry (u32 row, u32 place) of window[entries..end)
 *       copy rowBytes from table[row * rowBytes] to window[rows + place * rowBytes]
 *   scatter(...)                       the same in the other direction
 *
 * Needs SIMD, shared memory and several memories a module: Node 22 and later and most browsers of 2024 have them;
 * where they are missing, `createWasmRowCopy` says so, and the caller uses loops.
 */

/** The part of the WebAssembly interface used here; its types are not in every TypeScript library. */
export interface WasmMemory {
  readonly buffer: ArrayBufferLike;
}
interface WasmApi {
  readonly Memory: new (options: {
    initial: number;
    maximum: number;
    shared?: boolean;
  }) => WasmMemory;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (
    module: object,
    imports: Record<string, Record<string, WasmMemory>>,
  ) => { readonly exports: RowCopyFunctions };
  validate(bytes: Uint8Array): boolean;
}

type CopyRows = (entries: number, end: number, rows: number, rowBytes: number) => void;

export interface RowCopyFunctions {
  readonly gather: CopyRows;
  readonly scatter: CopyRows;
}

export interface WasmRowCopy {
  /** Zeroed memory of at least `bytes` (at most 4 GiB). Throws if there is not enough. */
  allocate(bytes: number, options: { shared: boolean }): WasmMemory;
  bind(memories: { table: WasmMemory; window: WasmMemory }): RowCopyFunctions;
}

const PAGE_BYTES = 65_536;

export function createWasmRowCopy(): WasmRowCopy | undefined {
  const { WebAssembly: api } = globalThis as unknown as { WebAssembly?: WasmApi };
  const bytes = assembleModule();
  if (!api?.validate(bytes)) return undefined;
  const module = new api.Module(bytes);
  return {
    allocate: (size, { shared }) => {
      const pages = Math.max(1, Math.ceil(size / PAGE_BYTES));
      return new api.Memory({ initial: pages, maximum: pages, shared });
    },
    bind: ({ table, window }) => new api.Instance(module, { e: { table, window } }).exports,
  };
}

// The assembler: WebAssembly core specification, section 5 (binary format).

/** The file's first bytes: `\0asm` and version 1. */
const MAGIC: Code = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
const I32 = 0x7f;
const FUNCTION_TYPE = 0x60;
const TABLE_MEMORY = 0;
const WINDOW_MEMORY = 1;

/**
 * Rows that are touched and then copied together. With 64, rows of 64 bytes went from 0.57 to 0.71 of the C loop's
 * rate.
 */
const BLOCK_ROWS = 64;

/** Parameters and locals of both functions. */
const ENTRY = 0;
const END = 1;
const ROWS = 2;
const ROW_BYTES = 3;
const FROM = 4;
const TO = 5;
const STOP = 6;
const BLOCK_END = 7;
const AHEAD = 8;

type Code = readonly number[];

function assembleModule(): Uint8Array {
  const memory = (name: string, limits: Code): Code => [...text("e"), ...text(name), 2, ...limits];
  const atMost = [1, ...unsigned(1), ...unsigned(65_536)];
  const sharedAtMost = [3, ...unsigned(1), ...unsigned(65_536)];
  const type = [FUNCTION_TYPE, ...vector([[I32], [I32], [I32], [I32]]), ...vector([])];
  return Uint8Array.from([
    ...MAGIC,
    ...section(1, vector([type])),
    ...section(2, vector([memory("table", sharedAtMost), memory("window", atMost)])),
    ...section(3, vector([[0], [0]])),
    ...section(
      7,
      vector([
        [...text("gather"), 0, 0],
        [...text("scatter"), 0, 1],
      ]),
    ),
    ...section(
      10,
      vector([
        copyFunction({ from: TABLE_MEMORY, to: WINDOW_MEMORY }),
        copyFunction({ from: WINDOW_MEMORY, to: TABLE_MEMORY }),
      ]),
    ),
  ]);
}

interface Direction {
  readonly from: number;
  readonly to: number;
}

function copyFunction(direction: Direction): Code {
  const { from } = direction;
  // The addresses of the row in the table and of its place in the window.
  const tableAddress = [...get(ENTRY), ...load32(WINDOW_MEMORY, 0), ...get(ROW_BYTES), ...MULTIPLY];
  const windowAddress = [
    ...get(ENTRY),
    ...load32(WINDOW_MEMORY, 4),
    ...get(ROW_BYTES),
    ...MULTIPLY,
    ...get(ROWS),
    ...ADD,
  ];
  // Touching a block of rows first overlaps more cache misses than copying alone: the loop is so short
  // that dozens of its loads fit into the processor's reorder window.
  const touch = whileBelow({ local: AHEAD, step: 8, stop: BLOCK_END }, [
    ...get(AHEAD),
    ...load32(WINDOW_MEMORY, 0),
    ...get(ROW_BYTES),
    ...MULTIPLY,
    ...load8(TABLE_MEMORY),
    ...DROP,
  ]);
  const copyRow = whileBelow({ local: ENTRY, step: 8, stop: BLOCK_END }, [
    ...(from === TABLE_MEMORY ? tableAddress : windowAddress),
    ...set(FROM),
    ...(from === TABLE_MEMORY ? windowAddress : tableAddress),
    ...set(TO),
    // STOP is FROM's end; what is left of a row shrinks from 64-byte to 16-, 4- and 1-byte moves.
    ...get(FROM),
    ...get(ROW_BYTES),
    ...ADD,
    ...set(STOP),
    ...moves(
      64,
      [0, 16, 32, 48].flatMap((at) => move128(direction, at)),
    ),
    ...moves(16, move128(direction, 0)),
    ...moves(4, [...get(TO), ...get(FROM), ...load32(from, 0), ...store32(direction.to)]),
    ...moves(1, [...get(TO), ...get(FROM), ...load8(from), ...store8(direction.to)]),
  ]);
  const body = [
    ...BLOCK_LOOP,
    ...get(ENTRY),
    ...get(END),
    ...AT_LEAST,
    ...LEAVE,
    // BLOCK_END = min(ENTRY + a block, END)
    ...get(ENTRY),
    ...constant(8 * BLOCK_ROWS),
    ...ADD,
    ...get(END),
    ...get(ENTRY),
    ...constant(8 * BLOCK_ROWS),
    ...ADD,
    ...get(END),
    ...LESS,
    ...SELECT,
    ...set(BLOCK_END),
    ...get(ENTRY),
    ...set(AHEAD),
    ...touch,
    ...copyRow,
    ...AGAIN,
  ];
  const locals = vector([[...unsigned(5), I32]]);
  const code = [...locals, ...body, 0x0b];
  return [...unsigned(code.length), ...code];
}

/** Repeats `body` while `size` bytes are left of the row. */
function moves(size: number, body: Code): Code {
  return [
    ...BLOCK_LOOP,
    ...get(STOP),
    ...get(FROM),
    ...SUBTRACT,
    ...constant(size),
    ...LESS,
    ...LEAVE,
    ...body,
    ...get(FROM),
    ...constant(size),
    ...ADD,
    ...set(FROM),
    ...get(TO),
    ...constant(size),
    ...ADD,
    ...set(TO),
    ...AGAIN,
  ];
}

function whileBelow(
  { local, step, stop }: { local: number; step: number; stop: number },
  body: Code,
): Code {
  return [
    ...BLOCK_LOOP,
    ...get(local),
    ...get(stop),
    ...AT_LEAST,
    ...LEAVE,
    ...body,
    ...get(local),
    ...constant(step),
    ...ADD,
    ...set(local),
    ...AGAIN,
  ];
}

const DROP: Code = [0x1a];
const SELECT: Code = [0x1b];
const ADD: Code = [0x6a];
const SUBTRACT: Code = [0x6b];
const MULTIPLY: Code = [0x6c];
/** Unsigned comparisons. */
const LESS: Code = [0x49];
const AT_LEAST: Code = [0x4f];
/** A block around a loop; a conditional branch out of both; a branch to the loop's start, and both ends. */
const BLOCK_LOOP: Code = [0x02, 0x40, 0x03, 0x40];
const LEAVE: Code = [0x0d, 1];
const AGAIN: Code = [0x0c, 0, 0x0b, 0x0b];

function get(local: number): Code {
  return [0x20, local];
}

function set(local: number): Code {
  return [0x21, local];
}

function constant(value: number): Code {
  return [0x41, ...signed(value)];
}

/** Alignment 1, with the bit that announces a memory index. */
function place(memory: number, offset: number): Code {
  return [0x40, memory, ...unsigned(offset)];
}

function load32(memory: number, offset: number): Code {
  return [0x28, ...place(memory, offset)];
}

function store32(memory: number): Code {
  return [0x36, ...place(memory, 0)];
}

function load8(memory: number): Code {
  return [0x2d, ...place(memory, 0)];
}

function store8(memory: number): Code {
  return [0x3a, ...place(memory, 0)];
}

function move128({ from, to }: Direction, at: number): Code {
  return [...get(TO), ...get(FROM), 0xfd, 0, ...place(from, at), 0xfd, 11, ...place(to, at)];
}

function section(id: number, content: Code): Code {
  return [id, ...unsigned(content.length), ...content];
}

function vector(items: readonly Code[]): Code {
  return [...unsigned(items.length), ...items.flat()];
}

function text(value: string): Code {
  return vector(Array.from(value, (character) => [character.charCodeAt(0)]));
}

/** LEB128. */
function unsigned(value: number): Code {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest & 127) | 128);
  }
}

function signed(value: number): Code {
  // Enough for the small positive constants used here: the sign bit of the last byte stays clear.
  return value < 64 ? [value] : [(value & 127) | 128, ...signed(value >>> 7)];
}
