/**
 * What is done while a visitor reads, so that the next visit is quick: the site's files are kept, and the engine is run
 * once as they have it, and what the first view says is kept. Browsers keep what they compiled of such an answer once enough of it has run. Knows no view.
 */
import { inspection } from "../../web/src/inspection.svelte.ts";
import { keep } from "../../web/src/kept.ts";
import { serverInfo } from "../../web/src/server-info.svelte.ts";
import { type FirstView, firstView, firstViewOf } from "./first-view.ts";
import { keepForOffline, removeOffline } from "./offline.ts";
import { ServerInWorker } from "./server-in-worker.ts";

/** Enough that browsers find what they compiled for it worth keeping. */
const TEXT = "ROMEO:\nIt is the east, and Juliet is the sun.\n";
const NUM_TOKENS = 150;

/** Milliseconds that browsers wait for more to be compiled before they keep it: 2000 in Chromium. */
const KEPT_AFTER = 5000;

export class NextVisit {
  #server: ServerInWorker | undefined;
  #isStopped = false;

  stop(): void {
    this.#isStopped = true;
    this.#server?.end();
  }

  async prepare(): Promise<void> {
    keepFirstView();
    const isNew = await keepForOffline();
    if (this.#isStopped) return removeOffline();
    // Later visits run the engine that is kept themselves.
    if (!isNew) return;
    const server = (this.#server = new ServerInWorker());
    try {
      await server.opened;
      const headers = { "content-type": "application/json" };
      for (const [path, asked] of [
        ["engram/inspect", { text: TEXT, top: 8 }],
        ["v1/completions", { prompt: TEXT, max_tokens: NUM_TOKENS, temperature: 0 }],
      ] as const)
        await (
          await server.fetch(path, { method: "POST", headers, body: JSON.stringify(asked) })
        ).text();
      await new Promise((resolve) => setTimeout(resolve, KEPT_AFTER));
    } finally {
      server.end();
    }
  }
}

/** Where the first view shows what a newcomer sees. What a visitor typed is not kept. */
function keepFirstView(): void {
  const { props } = serverInfo;
  const { answer } = inspection;
  if (props?.engram == null || !answer || !inspection.isFirst(answer.question)) return;
  const content: FirstView = { of: firstViewOf, props, report: answer.report };
  keep("local", firstView, JSON.stringify(content));
}
