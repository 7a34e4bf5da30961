/**
 * One GGUF file, wherever its bytes are. Opening reads the header and nothing else. Does not know what settings and
 * tensors mean, nor converts elements.
 */
import type { ByteRanges } from "../bytes/index.ts";
import { FormatError, RequestError } from "../errors.ts";
import { refuseForeign } from "../foreign-file.ts";
import { type GgufHeader, type GgufTensor, isGguf, parseGguf } from "./gguf.ts";
import { maxHeaderBytes } from "./safetensors.ts";

/** Bytes read at first. A vocabulary of 50,000 tokens takes 2 MB. */
const HEAD_BYTES = 1 << 22;

export class GgufFile {
  readonly path: string;
  readonly header: GgufHeader;
  readonly #ranges: ByteRanges;

  private constructor(ranges: ByteRanges, header: GgufHeader) {
    this.path = ranges.name;
    this.header = header;
    this.#ranges = ranges;
  }

  /** Reads and checks the header. Throws `FormatError`, naming the file, if it is not sound. Owns `ranges`. */
  static async open(ranges: ByteRanges): Promise<GgufFile> {
    const { name, size } = ranges;
    let head = new Uint8Array(Math.min(size, HEAD_BYTES));
    try {
      await ranges.read(0, head);
      for (;;) {
        const header = parseGguf(head, size);
        if (header !== undefined) return new GgufFile(ranges, header);
        const more = new Uint8Array(Math.min(size, 4 * head.length, maxHeaderBytes));
        more.set(head);
        await ranges.read(head.length, more.subarray(head.length));
        head = more;
      }
    } catch (cause) {
      await ranges.close();
      if (!(cause instanceof FormatError)) throw cause;
      // Of one that begins as it should, the error says more.
      if (!isGguf(head)) refuseForeign(name, head, "a GGUF file");
      throw new FormatError(`${name}: ${cause.message}`, { cause });
    }
  }

  /** All bytes of a tensor, into new memory. Throws `RequestError` for a name that is not there. */
  async read(name: string): Promise<Uint8Array<ArrayBuffer>> {
    const { begin, end } = this.#span(name);
    const into = new Uint8Array(end - begin);
    await this.readRange(name, { begin: 0, into });
    return into;
  }

  /** Fills `into` with a tensor's bytes from its byte `begin` on. */
  async readRange(
    name: string,
    { begin, into }: { begin: number; into: Uint8Array },
  ): Promise<void> {
    const span = this.#span(name);
    if (begin < 0 || begin + into.length > span.end - span.begin)
      throw new RequestError(
        `bytes ${begin} to ${begin + into.length} are not of tensor "${name}"`,
      );
    await this.#ranges.read(span.begin + begin, into);
  }

  async close(): Promise<void> {
    await this.#ranges.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #span(name: string): GgufTensor {
    const span = this.header.tensors.get(name);
    if (span === undefined) throw new RequestError(`${this.path} has no tensor "${name}"`);
    return span;
  }
}
