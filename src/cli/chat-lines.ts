/**
 * Lines that somebody types, or that come through a pipe. At a terminal they can be edited and called back, what is
 * typed while an answer is shown waits for its end, and Ctrl-C is an event. Knows nothing of what is said.
 */
import { createInterface, type Interface } from "node:readline";
import { Writable } from "node:stream";

/** The streams of a program that talks with somebody. */
export interface Console {
  readonly stdin: NodeJS.ReadableStream;
  readonly stdout: ConsoleOutput;
}

export interface ConsoleOutput {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
  on?(event: "resize", listener: () => void): unknown;
}

export interface ChatLines extends Disposable {
  /** The next line; undefined after the last. `prompt` is shown at a terminal. */
  read(prompt: string): Promise<string | undefined>;
}

export interface TerminalOptions {
  /**
   * Ctrl-C was pressed once. Pressed again before another line, it ends the lines; `onLeave` then ends what runs.
   */
  readonly onInterrupt: () => void;
  readonly onLeave: () => void;
  /** Ends the lines. */
  readonly signal: AbortSignal;
}

/** Lines as they come, without a prompt. `signal` ends them. */
export function pipedLines({ stdin }: Pick<Console, "stdin">, signal: AbortSignal): ChatLines {
  const reader = createInterface({ input: stdin, crlfDelay: Infinity });
  const lines = new LineQueue(reader, signal);
  return { read: () => lines.next(), [Symbol.dispose]: () => reader.close() };
}

export function typedLines(
  { stdin, stdout }: Console,
  { onInterrupt, onLeave, signal }: TerminalOptions,
): ChatLines {
  const screen = new Screen(stdout);
  const reader = createInterface({
    input: stdin,
    output: screen,
    terminal: true,
    historySize: 1000,
  });
  const lines = new LineQueue(reader, signal);
  let isReading = false;
  let wasInterrupted = false;
  reader.on("line", () => (wasInterrupted = false));
  reader.on("SIGINT", () => {
    if (wasInterrupted) {
      onLeave();
      reader.close();
      return;
    }
    wasInterrupted = true;
    onInterrupt();
    if (!isReading) return;
    // The line that was being typed is dropped, as shells do.
    stdout.write("^C\n(Ctrl-C once more, or Ctrl-D, leaves)\n");
    reader.write(null, { ctrl: true, name: "e" });
    reader.write(null, { ctrl: true, name: "u" });
    reader.prompt();
  });
  return {
    async read(prompt) {
      isReading = true;
      screen.isMuted = false;
      reader.setPrompt(prompt);
      if (lines.isEmpty) reader.prompt(true);
      const line = await lines.next();
      isReading = false;
      // Until the next read the screen belongs to the answer.
      screen.isMuted = true;
      return line;
    },
    [Symbol.dispose]: () => reader.close(),
  };
}

/** Lines that came before they were asked for wait here. */
class LineQueue {
  readonly #ready: string[] = [];
  #isEnded = false;
  #wake: () => void = () => undefined;

  constructor(reader: Interface, signal: AbortSignal) {
    const onAbort = (): void => reader.close();
    reader.on("line", (line) => {
      this.#ready.push(line);
      this.#wake();
    });
    reader.on("close", () => {
      signal.removeEventListener("abort", onAbort);
      this.#isEnded = true;
      this.#wake();
    });
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort);
  }

  get isEmpty(): boolean {
    return this.#ready.length === 0 && !this.#isEnded;
  }

  async next(): Promise<string | undefined> {
    while (this.isEmpty) await new Promise<void>((resolve) => (this.#wake = resolve));
    return this.#ready.shift();
  }
}

/** The output as the line editor sees it; silent while an answer is shown. */
class Screen extends Writable {
  isMuted = false;
  readonly #output: ConsoleOutput;

  constructor(output: ConsoleOutput) {
    super({ decodeStrings: false });
    this.#output = output;
    output.on?.("resize", () => this.emit("resize"));
  }

  /** For the line editor, which wraps lines. */
  get columns(): number | undefined {
    return this.#output.columns;
  }

  override _write(chunk: string | Buffer, _encoding: string, done: () => void): void {
    if (!this.isMuted) this.#output.write(String(chunk));
    done();
  }
}
