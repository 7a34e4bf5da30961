/**
 * Server-sent events: streams values as a response. The next value is taken only when the client has room for it.
 * Comments keep idle connections open. Knows no protocol above it.
 */
export interface SseOptions {
  /** Called once if the client disconnects before the end. */
  readonly onCancel: () => void;
  /** The event to send for an error during the stream. The stream then ends as usual. */
  readonly onError: (error: unknown) => unknown;
  /** Milliseconds between two comments. */
  readonly pingInterval: number;
}

/** The stream ends with `[DONE]`, as OpenAI's clients expect. */
export function sseResponse(
  events: AsyncIterator<unknown>,
  { onCancel, onError, pingInterval }: SseOptions,
): Response {
  const encoder = new TextEncoder();
  let ping: ReturnType<typeof setInterval> | undefined;
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      ping = setInterval(() => {
        // No comments for a client that does not read: they would pile up.
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
          // The client has disconnected meanwhile.
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
      // Keeps proxies from buffering the stream.
      "x-accel-buffering": "no",
    },
  });
}
