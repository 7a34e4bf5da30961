/** The fixed windows in which a long text is read. Knows lengths; no ids. */

export interface Window {
  /** First token of the stream that the window reads. */
  readonly start: number;
  /** First position in the window whose label is scored; those before it are context. */
  readonly from: number;
}

/** Windows of `length` over a stream, `stride` apart; every label but the first is in one. */
export function windowStarts(
  numTokens: number,
  { length, stride, maxTokens }: { length: number; stride: number; maxTokens?: number },
): Window[] {
  const windows = [{ start: 0, from: 0 }];
  // Window k scores labels up to start + length; the next begins `stride` further on.
  for (let start = stride; start + length - stride < numTokens - 1; start += stride)
    windows.push({ start, from: length - stride });
  if (maxTokens === undefined || windows.length * stride <= maxTokens) return windows;
  const keep = Math.max(1, Math.floor(maxTokens / stride));
  return Array.from({ length: keep }, (_, i) => windows[Math.floor((i * windows.length) / keep)]!);
}
