/**
 * Losses, tokens and digests of one small seeded run, as JSON: to be made before and after a change that may change no
 * number, on the same machine, and compared.
 *
 *   node scripts/golden-run.ts > before.json             ONNX Runtime on one thread, as it serves (about a minute)
 *   node scripts/golden-run.ts reference > some.json     plain loops, the same on every machine: what the test compares
 */
import "../bench/setup/command-line.ts";
import { goldenRun } from "../test/recorded/golden-run.ts";
import { recordedRun } from "../test/recorded/recorded-run.ts";
import { ortBackend } from "../src/tensor/backends/onnx/node/index.ts";

const say = (text: string): void => void process.stderr.write(`${text}\n`);
let found: object;
if (process.argv[2] === "reference") found = await recordedRun(say);
else {
  const backend = ortBackend({ threads: 1 });
  found = await goldenRun({ backend, steps: 24, length: 14, say });
  await backend.dispose();
}
process.stdout.write(`${JSON.stringify(found, undefined, 1)}\n`);
