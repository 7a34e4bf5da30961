/**
 * A training run as the server shows it: a summary, and the lines of its log from a cursor on. Where runs lie and
 * how their logs are read is known to whoever gives these to the server.
 */
export interface RunSource {
  /** Unique among the runs of a server. */
  readonly name: string;
  summary(): Promise<RunSummaryFields>;
  read(options: { readonly cursor: string }): Promise<{
    readonly lines: readonly object[];
    /** Where the next call goes on. */
    readonly cursor: string;
    /** What was read before is no longer so; `lines` begin anew. */
    readonly isRestart: boolean;
    readonly isEnd: boolean;
  }>;
}

export interface RunSummaryFields {
  readonly name: string;
  readonly state: string;
  readonly updatedAt: number | undefined;
  readonly step: number;
  readonly steps: number | undefined;
  readonly tokens: number;
  readonly seconds: number;
  readonly numParams: number | undefined;
  readonly numRows: number | undefined;
  readonly loss: number | undefined;
  readonly tokensPerSecond: number | undefined;
  readonly gates: Readonly<Record<string, number>>;
  readonly validBitsPerByte: number | undefined;
  readonly validStep: number | undefined;
  readonly bitsPerByteWithoutMemory: number | undefined;
  readonly bitsPerByteTrainedWithout: number | undefined;
  readonly settings: Readonly<Record<string, string>>;
}

/** A setting that not all of some runs share. */
export interface Difference {
  readonly setting: string;
  /** In the order of the runs; undefined where a run does not say. */
  readonly values: readonly (string | undefined)[];
}

/** In what runs differ, in the order in which they name their settings. Runs that say nothing differ in nothing. */
export function differencesOf(
  runs: readonly Pick<RunSummaryFields, "settings">[],
): readonly Difference[] {
  const names = new Set(runs.flatMap(({ settings }) => Object.keys(settings)));
  const saying = runs.filter(({ settings }) => Object.keys(settings).length > 0);
  return [...names].flatMap((setting) =>
    new Set(saying.map(({ settings }) => settings[setting])).size < 2
      ? []
      : [{ setting, values: runs.map(({ settings }) => settings[setting]) }],
  );
}
