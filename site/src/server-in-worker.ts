/** The page's side of its server: starts the worker, opens the model there, and asks it. Knows no view and no route. */
import {
  Caller,
  fetchFrom,
  type FetchInit,
  type Port,
  type Progress,
} from "../../src/browser/index.ts";
import { openRequest, sampleText } from "./places.ts";

export class ServerInWorker {
  /** Settles when the model is open, or cannot be. */
  readonly opened: Promise<void>;
  /** Told how much has come of all that is known to come. */
  onProgress: (progress: { readonly bytes: number; readonly total: number }) => void = () =>
    undefined;
  readonly #worker: Worker;
  readonly #caller: Caller;
  /** Ranges of one file are told one by one. */
  readonly #parts = new Map<string, Progress>();

  constructor() {
    this.#worker = new Worker(new URL("./server-worker.ts", import.meta.url), {
      type: "module",
      name: "engram",
    });
    this.#caller = new Caller(this.#worker as Port);
    // Without a message where its script did not come.
    this.#worker.addEventListener("error", ({ message }) =>
      this.#caller.fail(new Error(message || "A file of the page did not come.")),
    );
    const request = { ...openRequest(), sample: sampleText };
    const onPiece = (piece: Progress): void => this.#tell(piece);
    this.opened = this.#caller.call("open", request, { onPiece }) as Promise<void>;
    this.opened.catch(() => undefined);
  }

  /** Whether an answer is under way. */
  get isBusy(): boolean {
    return this.#caller.isBusy;
  }

  /** `path` is relative to the server's root, without a slash before it. */
  fetch(path: string, init: FetchInit): Promise<Response> {
    return fetchFrom(this.#caller, path, init);
  }

  /** Ends the worker; what was asked of it fails. */
  end(): void {
    this.#worker.terminate();
    this.#caller.fail(new Error("the server was ended"));
  }

  #tell(piece: Progress): void {
    this.#parts.set(`${piece.file} ${piece.totalBytes}`, piece);
    let [bytes, total] = [0, 0];
    for (const one of this.#parts.values()) {
      bytes += one.bytes;
      total += one.totalBytes ?? one.bytes;
    }
    this.onProgress({ bytes, total });
  }
}
