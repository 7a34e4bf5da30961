/**
 * Server-sent events: values in, a response that streams them out. Events go out as fast as the client
 * takes them and no faster; comments keep quiet connections open. Knows no protocol above it.
 */
export interface SseOptions {
  /** Called once when the client goes away before the end. */
  readonly onCancel: () => void;
  /** The event for an error in mid-stream; the stream ends regularly after it. */
  readonly onError: (error: unknown) => unknown;
  /** Milliseconds of silence after which a comment is sent. */
  readonly pingInterval: number;
}

/** Ends with `[DONE]`, as clients of OpenAI's interface expect. */
export function sseResponse(
  events: AsyncIterator<unknown>,
  { onCancel, onError, pingInterval }: SseOptions,
): Response {
  const encoder = new TextEncoder();
  let ping: ReturnType<typeof setInterval> | undefined;
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      ping = setInterval(() => {
        // A client that does not read needs no sign of life.
        if ((controller.desiredSize ?? 0) > 0) controller.enqueue(encoder.encode(": ping\n\n"));
      }, pingInterval);
    },
    async pull(controller) {
      const send = (data: string): void => controller.enqueue(encoder.encode(`data: ${data}\n\n`));
      const end = (): void => {
        send("[DONE]");
        clearInterval(ping);
        controller.close();
      };
      try {
        const { done, value } = await events.next();
        if (done === true) end();
        else send(JSON.stringify(value));
      } catch (error) {
        try {
          send(JSON.stringify(onError(error)));
          end();
        } catch {
          // The client went away meanwhile; there is nobody to tell.
          clearInterval(ping);
        }
      }
    },
    cancel() {
      clearInterval(ping);
      onCancel();
    },
  });
  return new Response(body, {
    headers: {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-cache",
      // Proxies that buffer would turn a stream into a lump.
      "x-accel-buffering": "no",
    },
  });
}
