/** The page of the static site: that of `engram serve`, before a server in a worker. */
import { mount } from "svelte";
import App from "../../web/src/App.svelte";
import { useTransport } from "../../web/src/api.ts";
import { host } from "../../web/src/host.svelte.ts";
import { allowFrames } from "../../web/src/share.ts";
import { showFirstView } from "./first-view.ts";
import type { NextVisit } from "./next-visit.ts";
import { modelName, modelsAddress, pageOf } from "./places.ts";
import type { ServerInWorker } from "./server-in-worker.ts";

/** Milliseconds with an open model, and again while it reads or writes: the processor and the line are first for that. */
const OFFLINE_AFTER = 5000;

export function showPage(server: ServerInWorker): void {
  useTransport(({ href }, init) =>
    server.fetch(href.slice(new URL(".", document.baseURI).href.length), init),
  );
  allowFrames();
  showFirstView();
  server.onProgress = (progress) => (host.progress = progress);
  let isRemoved = false;
  let nextVisit: NextVisit | undefined;
  host.removeKept = async () => {
    // What a visitor removes is not kept again by the same visit.
    isRemoved = true;
    nextVisit?.stop();
    await (await import("./removal.ts")).removeAll();
  };
  host.opened = server.opened;
  server.opened.then(
    () => {
      prepareLater();
      void listModels().catch(() => undefined);
    },
    (error: Error) => (host.failure = error),
  );
  const prepareLater = (): void =>
    void setTimeout(() => {
      if (server.isBusy) prepareLater();
      else void prepare().catch(() => undefined);
    }, OFFLINE_AFTER);
  const prepare = async (): Promise<void> => {
    const { NextVisit: Next } = await import("./next-visit.ts");
    if (isRemoved) return;
    nextVisit = new Next();
    await nextVisit.prepare();
  };
  mount(App, { target: document.querySelector("#app")! });
}

async function listModels(): Promise<void> {
  const listed = (await (await fetch(modelsAddress)).json()) as { name: string; bytes: number }[];
  host.others = listed
    .filter(({ name }) => name !== modelName)
    .map(({ name, bytes }) => ({ name, bytes, address: pageOf(name) }));
}
