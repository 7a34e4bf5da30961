/** What came of one run of a study: its figures, and where they come from. Types only. */
import type { MachineFacts } from "../training/index.ts";
import type { Measured } from "./metrics.ts";
import type { RunName } from "./schedule.ts";

export interface RunResult extends RunName {
  /** Digest of the registration that it belongs to. */
  readonly study: string;
  /** Absent if the run failed. */
  readonly measured?: Measured;
  /** Why a run has no figures: numbers that ran away are a result, too. */
  readonly failed?: string;
  readonly command?: string | undefined;
  readonly commit?: string | undefined;
  readonly versions?: Readonly<Record<string, string>> | undefined;
  readonly machine?: MachineFacts | undefined;
  readonly steps?: number | undefined;
  readonly numParams?: number | undefined;
  readonly numRows?: number | undefined;
  readonly trainTokens?: number | undefined;
  readonly validBytes?: number | undefined;
  /** Of all steps. */
  readonly seconds?: number;
  /** Step and bits per byte of a part of the held-out text, on the way. */
  readonly curve?: readonly (readonly [number, number])[];
}
