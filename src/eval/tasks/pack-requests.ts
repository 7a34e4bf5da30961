/**
 * Packs many short token requests into windows of fixed width, longest first, each as a document of its own. So little
 * is padding, and one graph scores them all. Knows ids and positions; not models.
 */
import type { TokenStream } from "../../inference/index.ts";
import type { TokenRequest } from "./encode-requests.ts";

export interface PackedRequests {
  /** Consecutive windows of `width` tokens each. */
  readonly stream: TokenStream;
  readonly width: number;
  readonly numWindows: number;
  /** For each position of the stream: the request for which its token is scored, or -1. */
  readonly requestAt: Int32Array;
}

/** Below this width, attention within a window is cheap compared with the rest of the model. */
const usualWidth = 256;
/** The rest of a window is filled with a document of this id, which is not scored. */
const filler = 0;

/** `most`: length of the longest possible request in tokens. */
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
  // By free space, so that the fullest window that fits is found without searching all of them.
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
  // The label of the last window's last token is the token after it.
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
