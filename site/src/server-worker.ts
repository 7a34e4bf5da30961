/** The worker of the site's inspector: the model, and the server before it, which the page talks to as to any other. */
import {
  answerCalls,
  type CallContext,
  openInPage,
  type OpenRequest,
  type Port,
  requestCalls,
} from "../../src/browser/index.ts";
import { Facts, FactStore } from "../../src/facts/index.ts";
import { TableTraffic } from "../../src/inspect/index.ts";
import { createServer, type EngramServer, parseHeldOut } from "../../src/server/index.ts";
import { markOf, VectorWriter } from "../../src/teaching/index.ts";

let started: (server: EngramServer | Promise<never>) => void;
const starting = new Promise<EngramServer>((resolve) => (started = resolve));

async function open(request: OpenRequest, context: CallContext): Promise<void> {
  const traffic = new TableTraffic();
  // Without a log, what it is taught is gone with the page.
  const store = new FactStore();
  const model = openInPage(request, {
    ...context,
    placement: { wrapStore: traffic.watch },
    openFacts: async ({ tokenizer }) =>
      new Facts(store, { tokenizer, writerFor: (language) => new VectorWriter(language) }),
  }).then((opened) => {
    store.mark = markOf(opened.language);
    return opened;
  });
  const report = await fetch(`${request.address}/training.json`)
    .then((response) => response.json())
    .catch(() => undefined);
  const server = createServer(model, {
    traffic,
    heldOut: parseHeldOut(report),
    isLoopback: true,
    onError: (error) => console.error(error),
  });
  started(server);
  await server.ready;
}

answerCalls(globalThis as unknown as Port, {
  open,
  ...requestCalls(async (request) => (await starting).fetch(request)),
});
