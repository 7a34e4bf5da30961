// oxlint-disable no-underscore-dangle -- the module's own names
/**
 * The graphics processor of a page, for ONNX Runtime's builds that have its WebGPU provider: sessions compute there, and
 * numbers that nobody writes again are held there. Knows no graphs, and not what the numbers mean.
 */
import type { Adapt } from "../lower.ts";
import { encodeModel, type OnnxTensor, onnxType } from "../protobuf.ts";
import type { Heap } from "./heap.ts";
import { loaded } from "./ort-wasm.ts";
import { forWebGpu } from "./webgpu-nodes.ts";

/** Of the platform's GPUDevice, what is used. */
interface GpuDevice {
  createBuffer(settings: { readonly size: number; readonly usage: number }): GpuBuffer;
  readonly queue: { writeBuffer(buffer: GpuBuffer, offset: number, data: ArrayBufferView): void };
}
interface GpuBuffer {
  destroy(): void;
}

/** STORAGE, COPY_DST and COPY_SRC of GPUBufferUsage. */
const USAGE = 0x80 | 0x08 | 0x04;

export class GraphicsProcessor {
  readonly adapt: Adapt = forWebGpu;
  readonly #heap: Heap;
  readonly #name: number;
  #device: GpuDevice | undefined;
  /** A session that is never released: it keeps the device. */
  #anchor = 0;
  /** The engine's addresses of what is held, by the memory that it was copied from. */
  readonly #held = new WeakMap<object, number>();
  readonly #collected = new FinalizationRegistry<GpuBuffer>((buffer) => {
    this.#heap.module.webgpuUnregisterBuffer!(buffer);
    buffer.destroy();
  });

  private constructor(heap: Heap) {
    this.#heap = heap;
    this.#name = heap.text("WebGPU");
  }

  /** The one that the browser gives. */
  static async of(heap: Heap): Promise<GraphicsProcessor> {
    const found = new GraphicsProcessor(heap);
    heap.module.webgpuInit!((device) => (found.#device = device as GpuDevice));
    const tensor = (name: string): OnnxTensor => ({ name, type: onnxType.f32, dims: [1] });
    const node = { opType: "Neg", domain: "", inputs: ["x"], outputs: ["y"], attributes: {} };
    const graph = { initializers: [], inputs: [tensor("x")], outputs: [tensor("y")] };
    found.#anchor = await loaded(heap, encodeModel({ nodes: [node], ...graph }, { "": 24 }), found);
    return found;
  }

  /** Sessions made with `options` compute here what they can. */
  async useFor(options: number): Promise<void> {
    const { module } = this.#heap;
    module.webgpuRegisterDevice!();
    const code = await module._OrtAppendExecutionProvider!(options, this.#name, 0, 0, 0);
    this.#heap.check("use the graphics processor", code === 0);
  }

  /** The call that made `session` has ended; zero: it failed. */
  made(session: number): void {
    this.#heap.module.webgpuOnCreateSession!(session);
  }

  /** The session is released. */
  left(session: number): void {
    this.#heap.module.webgpuOnReleaseSession!(session);
  }

  /** Copies `data`, which nobody writes again, for as long as it is reachable. */
  hold(data: ArrayBufferView): void {
    const device = this.#device!;
    const buffer = device.createBuffer({
      size: Math.max(16, 16 * Math.ceil(data.byteLength / 16)),
      usage: USAGE,
    });
    device.queue.writeBuffer(buffer, 0, wholeWords(data));
    this.#held.set(data, this.#heap.module.webgpuRegisterBuffer!(buffer, this.#anchor));
    this.#collected.register(data, buffer);
  }

  /** The engine's address of the copy; undefined if there is none of just this. */
  addressOf(data: ArrayBufferView): number | undefined {
    return this.#held.get(data);
  }
}

/** Copies go by words of four bytes. */
function wholeWords(data: ArrayBufferView): ArrayBufferView {
  if (data.byteLength % 4 === 0) return data;
  const words = new Uint8Array(4 * Math.ceil(data.byteLength / 4));
  words.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  return words;
}
