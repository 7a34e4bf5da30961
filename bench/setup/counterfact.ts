/** CounterFact's edits (Meng et al., arXiv 2202.05262), flat: an array of objects with these fields. */
import { readFileSync } from "node:fs";

export interface CounterFactEdit {
  readonly prompt: string;
  readonly subject: string;
  readonly target_new: string;
  readonly ground_truth: string;
  readonly rephrase_prompt: string;
  readonly locality_prompt: string;
  readonly locality_ground_truth: string;
}

export function readCounterFact(file: string): CounterFactEdit[] {
  return JSON.parse(readFileSync(file, "utf8")) as CounterFactEdit[];
}
