/**
 * The worker of the site's inspector: the server of `server.ts`, which the page talks to as to any other. The engine, most
 * of what a first visit waits for, is asked for before the server's own code is there.
 */
import {
  answerCalls,
  type CallContext,
  fetchEngine,
  fetchWithProgress,
  type Port,
  requestCalls,
} from "../../src/browser/index.ts";
import type { SiteRequest } from "./server.ts";

type Begun = Awaited<ReturnType<typeof import("./server.ts").begin>>;

// Comes while the page's first message does.
const code = import("./server.ts");
code.catch(() => undefined);

const { promise: begun, resolve, reject } = Promise.withResolvers<Begun>();
begun.catch(() => undefined);

answerCalls(globalThis as unknown as Port, {
  async open({ engine, ...request }: SiteRequest, context: CallContext): Promise<void> {
    const { threads } = request;
    const loading = fetchEngine(engine, { threads, fetch: fetchWithProgress(context.tell) });
    loading.catch(() => undefined);
    try {
      const { begin } = await code;
      resolve(await begin(request, { ...context, loading }));
    } catch (error) {
      reject(error);
    }
    await (
      await begun
    ).ready;
  },
  ...requestCalls(async (request) => {
    const { fetch, ready } = await begun;
    // The page may ask before the model is open.
    if (request.method === "POST") await ready;
    return fetch(request);
  }),
});
