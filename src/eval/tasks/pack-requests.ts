/**
 * Many short token requests side by side in fixed windows, longest first, each a document of its own: no window is
 * mostly padding, and one graph scores them all. Knows ids and places; not models.
 */
import type { TokenStream } from "../../inference/index.ts";
import type { TokenRequest } from "./encode-requests.ts";

export interface PackedRequests {
  /** Windows one behind the other, `width` tokens each. */
  readonly stream: TokenStream;
  readonly width: number;
  readonly numWindows: number;
  /** By place in the stream: which request the token there is scored for, or -1. */
  readonly requestAt: Int32Array;
}

/** Below this width a window's attention costs little beside the rest of the model. */
const usualWidth = 256;
/** What is left of a window is read as a document of this id, and counts for nothing. */
const filler = 0;

/** `most`: the longest request that there can be, in tokens. */
export function packRequests(
  requests: readonly TokenRequest[],
  { most }: { most: number },
): PackedRequests {
  const longest = requests.reduce((max, { ids }) => Math.max(max, ids.length), 1);
  const width = Math.max(2, Math.min(most, Math.max(usualWidth, Math.ceil(longest / 64) * 64)));
  const order = requests
    .map((_, i) => i)
    .toSorted((a, b) => requests[b]!.ids.length - requests[a]!.ids.length || a - b);
  const windows: { members: number[]; room: number }[] = [];
  // By room left, so that the fullest window that still fits is found without looking at all of them.
  const withRoom: number[][] = Array.from({ length: width + 1 }, () => []);
  for (const request of order) {
    const { length } = requests[request]!.ids;
    let room = length;
    while (room <= width && withRoom[room]!.length === 0) room++;
    const at = room <= width ? withRoom[room]!.pop()! : windows.length;
    const window = (windows[at] ??= { members: [], room: width });
    window.members.push(request);
    window.room -= length;
    withRoom[window.room]!.push(at);
  }
  return { ...laidOut(requests, { windows, width }), width, numWindows: windows.length };
}

function laidOut(
  requests: readonly TokenRequest[],
  {
    windows,
    width,
  }: { windows: readonly { members: readonly number[]; room: number }[]; width: number },
): Pick<PackedRequests, "stream" | "requestAt"> {
  // The last window's last label is the token behind it.
  const tokens = new Uint32Array(windows.length * width + 1).fill(filler);
  const requestAt = new Int32Array(tokens.length).fill(-1);
  const starts: number[] = [];
  for (const [w, { members, room }] of windows.entries()) {
    let at = w * width;
    for (const member of members) {
      const { ids, begin } = requests[member]!;
      starts.push(at);
      tokens.set(ids, at);
      requestAt.fill(member, at + begin, at + ids.length);
      at += ids.length;
    }
    if (room > 0) starts.push(at);
  }
  starts.push(windows.length * width);
  const stream = { tokens, starts: Uint32Array.from(starts), numBytes: 0 };
  return { stream, requestAt };
}
