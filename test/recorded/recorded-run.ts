/** The part of `goldenRun` that is the same on every machine: plain loops, short. */
import { referenceBackend } from "../../src/tensor/index.ts";
import { goldenRun } from "./golden-run.ts";

export function recordedRun(say?: (text: string) => void): Promise<object> {
  return goldenRun({ backend: referenceBackend(), steps: 3, length: 6, ...(say && { say }) });
}
