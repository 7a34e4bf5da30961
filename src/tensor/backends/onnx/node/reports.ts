/**
 * Since 1.29 ONNX Runtime's own binaries report their use to their maker, keep an identity of the machine and a queue of
 * reports in the user's cache, and may hang while the process ends (docs/decisions/0049). Knows nothing of its interface.
 */
import { libc } from "./libc.ts";

const name = "ORT_DISABLE_TELEMETRY";

/** To be called before the library is loaded: it looks once, and begins none of it. */
export function keepToItself(): void {
  process.env[name] = "1";
  libc()?.setenv(name, "1", 1);
}
