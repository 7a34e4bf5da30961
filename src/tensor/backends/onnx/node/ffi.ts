/**
 * koffi, set up for what is called through it here. Settings hold for the process and must come before
 * the first library is opened, whichever module that happens in: so every module takes it from here.
 */
import koffi from "koffi";

// ONNX Runtime's kernels need more stack than asynchronous calls have by default (SGEMM alone packs
// 64 KiB panels there).
koffi.config({ async_stack_size: 8 * 2 ** 20 });

export { koffi };
