/**
 * A connection to one node of a cluster that only reads pieces of strings, with little work for each piece. A read of
 * many pieces is one socket write; answers are copied directly from the socket's buffer; there is one callback for
 * all of them. A general client makes several objects, promises and a timer for each piece, which took longer than
 * the network (docs/log.md). Follows no redirects and does not retry: the caller asks the general client for pieces
 * that did not arrive. Knows no rows and no tables. (RESP2, as the Redis documentation describes it)
 */
import { connect, isIP, type Socket, type TcpNetConnectOpts } from "node:net";
import { connect as connectEncrypted } from "node:tls";

export interface LaneOptions {
  readonly host: string;
  readonly port: number;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly isEncrypted?: boolean | undefined;
  /** Milliseconds for connecting, and for an answer. */
  readonly timeout: number;
  /** Bytes of every piece. */
  readonly pieceBytes: number;
}

/** A piece that did not arrive, by its place. */
export interface Refusal {
  readonly place: number;
  readonly reason: string;
  /** The time for an answer is over. */
  readonly isLate: boolean;
}

/** Pieces that were requested together: [i] goes to `places[i]` of `into`. */
interface Batch {
  readonly places: readonly number[];
  readonly into: Uint8Array;
  readonly refused: Refusal[];
  readonly deadline: number;
  readonly done: (refused: readonly Refusal[]) => void;
  /** Pieces that were answered. */
  next: number;
}

/** Milliseconds without a connection attempt after a connection was lost. */
const PAUSE = 500;
const READ_BUFFER = 64 * 1024;
/** The longest possible line of an answer: the text of an error. */
const MOST_LINE = 4096;

/** Connects at once. After it lost the connection, it connects again when it is used. */
export class ValkeyLane {
  readonly #options: LaneOptions;
  /** The first bytes of every answer with a piece. */
  readonly #header: Uint8Array;
  #socket: Socket | undefined;
  #isReady = false;
  #isClosed = false;
  #lostAt = -Infinity;
  /** Requests that were not yet sent: the commands, and the places of their answers. */
  #text = "";
  #places: number[] = [];
  /** Sent and not yet answered to the end, oldest first. */
  readonly #batches: Batch[] = [];
  /** The beginning of an incomplete answer. */
  #rest: Uint8Array = new Uint8Array(0);
  #timer: NodeJS.Timeout | undefined;

  constructor(options: LaneOptions) {
    this.#options = options;
    this.#header = Buffer.from(`$${options.pieceBytes}\r\n`);
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  /** Pieces that wait for `send`. */
  get numAsked(): number {
    return this.#places.length;
  }

  /**
   * Resolves when the connection attempt has succeeded or failed. Does nothing if there is a connection, or if an
   * attempt failed lately.
   */
  open(): Promise<void> {
    const { host, port, timeout, isEncrypted = false } = this.#options;
    if (this.#isClosed || this.#socket !== undefined || performance.now() < this.#lostAt + PAUSE)
      return Promise.resolve();
    return new Promise((resolve) => {
      const buffer = Buffer.allocUnsafeSlow(READ_BUFFER);
      const options: TcpNetConnectOpts = {
        host,
        port,
        noDelay: true,
        onread: {
          buffer,
          callback: (size) => {
            if (socket === this.#socket) this.#take(buffer.subarray(0, size));
            if (this.#isReady) resolve();
            return true;
          },
        },
      };
      const servername = isIP(host) === 0 ? { servername: host } : {};
      const socket: Socket = isEncrypted
        ? connectEncrypted({ ...options, ...servername })
        : connect(options);
      this.#socket = socket;
      socket.on(isEncrypted ? "secureConnect" : "connect", () => {
        if (socket !== this.#socket) return;
        this.#login(socket);
        if (this.#isReady) resolve();
      });
      const lose = (reason: string): void => {
        if (socket === this.#socket) this.#lose(reason, { isLate: false });
        resolve();
      };
      socket.on("error", ({ message }) => lose(message));
      socket.on("close", () => lose("the connection was closed"));
      const isOpening = setTimeout(() => {
        if (!this.#isReady) lose(`no connection within ${timeout} ms`);
      }, timeout);
      isOpening.unref();
    });
  }

  /** Requests the piece at byte `at` of the string `key` (ASCII). `send` sends it. Only if the lane is ready. */
  ask(key: string, { at, place }: { at: number; place: number }): void {
    const first = `${at}`;
    const last = `${at + this.#options.pieceBytes - 1}`;
    this.#text +=
      `*4\r\n$8\r\nGETRANGE\r\n$${key.length}\r\n${key}\r\n` +
      `$${first.length}\r\n${first}\r\n$${last.length}\r\n${last}\r\n`;
    this.#places.push(place);
  }

  /**
   * Sends the requests. Pieces are copied to their places in `into`. `done` is called once, with the pieces that did
   * not arrive.
   */
  send(into: Uint8Array, done: (refused: readonly Refusal[]) => void): void {
    const { timeout } = this.#options;
    const deadline = performance.now() + timeout;
    this.#batches.push({ places: this.#places, into, refused: [], deadline, done, next: 0 });
    this.#socket!.write(this.#text, "latin1");
    this.#text = "";
    this.#places = [];
    this.#timer ??= setTimeout(() => this.#checkTime(), timeout);
  }

  close(): void {
    this.#isClosed = true;
    this.#lose("the store was closed", { isLate: false });
  }

  #login(socket: Socket): void {
    const { username, password } = this.#options;
    if (password === undefined) {
      this.#isReady = true;
      return;
    }
    const words = ["AUTH", ...(username === undefined ? [] : [username]), password];
    const text = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join("");
    socket.write(`*${words.length}\r\n${text}`);
  }

  /** Answers have arrived, or parts of them. */
  #take(fresh: Uint8Array): void {
    const bytes = this.#rest.length === 0 ? fresh : Buffer.concat([this.#rest, fresh]);
    let at = 0;
    while (at < bytes.length) {
      const end = this.#takeAnswer(bytes, at);
      if (end === undefined) break;
      if (end < 0) {
        this.#lose("an answer that is none to what was asked", { isLate: false });
        return;
      }
      at = end;
    }
    // The socket reuses its buffer, so the rest is copied.
    this.#rest = new Uint8Array(bytes.subarray(at));
  }

  /** The end of the answer at `at`; undefined if it is incomplete, negative if it is invalid. */
  #takeAnswer(bytes: Uint8Array, at: number): number | undefined {
    const batch = this.#batches[0];
    const { pieceBytes } = this.#options;
    const begin = at + this.#header.length;
    if (batch !== undefined && this.#isPiece(bytes, at)) {
      const end = begin + pieceBytes;
      if (end + 2 > bytes.length) return undefined;
      if (bytes[end] !== 13 || bytes[end + 1] !== 10) return -1;
      batch.into.set(bytes.subarray(begin, end), batch.places[batch.next]! * pieceBytes);
      this.#answered(batch);
      return end + 2;
    }
    const lineEnd = bytes.indexOf(13, at);
    if ((lineEnd < 0 ? bytes.length : lineEnd) - at > MOST_LINE) return -1;
    if (lineEnd < 0 || lineEnd + 2 > bytes.length) return undefined;
    const line = Buffer.from(bytes.subarray(at, lineEnd)).toString();
    if (!this.#isReady) {
      // The answer to AUTH.
      if (line !== "+OK") return -1;
      this.#isReady = true;
      return lineEnd + 2;
    }
    if (batch === undefined) return -1;
    const refuse = (reason: string): void => {
      batch.refused.push({ place: batch.places[batch.next]!, reason, isLate: false });
      this.#answered(batch);
    };
    if (line.startsWith("-")) {
      refuse(line.slice(1));
      return lineEnd + 2;
    }
    const size = /^\$\d{1,9}$/.test(line) ? Number(line.slice(1)) : -1;
    if (size < 0 || size >= pieceBytes) return -1;
    const end = lineEnd + 2 + size + 2;
    if (end > bytes.length) return undefined;
    refuse(`an answer of ${size} bytes`);
    return end;
  }

  #isPiece(bytes: Uint8Array, at: number): boolean {
    const header = this.#header;
    for (let i = 0; i < header.length; i++) if (bytes[at + i] !== header[i]) return false;
    return true;
  }

  #answered(batch: Batch): void {
    if (++batch.next < batch.places.length) return;
    this.#batches.shift();
    batch.done(batch.refused);
  }

  /** After a missing answer, later answers could not be told apart. So a timeout ends the connection. */
  #checkTime(): void {
    this.#timer = undefined;
    const [oldest] = this.#batches;
    if (oldest === undefined) return;
    const left = oldest.deadline - performance.now();
    if (left > 0) this.#timer = setTimeout(() => this.#checkTime(), Math.ceil(left));
    else
      // Perhaps this thread was late. It first takes what has arrived meanwhile.
      setImmediate(() => {
        if (this.#batches[0] === oldest)
          this.#lose(`no answer within ${this.#options.timeout} ms`, { isLate: true });
        else this.#timer ??= setTimeout(() => this.#checkTime(), 1);
      });
  }

  #lose(what: string, { isLate }: { isLate: boolean }): void {
    const reason = `${this.#options.host}:${this.#options.port}: ${what}`;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#socket?.destroy();
    this.#socket = undefined;
    this.#isReady = false;
    this.#rest = new Uint8Array(0);
    this.#lostAt = performance.now();
    for (const { places, next, refused, done } of this.#batches.splice(0))
      done([...refused, ...places.slice(next).map((place) => ({ place, reason, isLate }))]);
  }
}
