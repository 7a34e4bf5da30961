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
}
