/** The page of the static site: that of `engram serve`, before a server in a worker. */
import { mount } from "svelte";
import {
  Caller,
  fetchFrom,
  type Port,
  type Progress,
  removeKept,
} from "../../src/browser/index.ts";
import App from "../../web/src/App.svelte";
import { useTransport } from "../../web/src/api.ts";
import { host } from "../../web/src/host.svelte.ts";
import { allowFrames } from "../../web/src/share.ts";
import { keepForOffline, removeOffline } from "./offline.ts";
import { modelName, modelsAddress, openRequest, pageOf, sampleText } from "./places.ts";

/** Milliseconds with an open model: the processor and the line are first for what it reads and writes. */
const OFFLINE_AFTER = 5000;

const worker = new Worker(new URL("./server-worker.ts", import.meta.url), {
  type: "module",
  name: "engram",
});
const caller = new Caller(worker as Port);
worker.addEventListener("error", ({ message }) => caller.fail(new Error(message)));
useTransport(({ href }, init) =>
  fetchFrom(caller, href.slice(new URL(".", document.baseURI).href.length), init),
);
allowFrames();
let offline: ReturnType<typeof setTimeout> | undefined;
host.removeKept = async () => {
  // What a visitor removes is not kept again by the same visit.
  clearTimeout(offline);
  await removeKept();
  await removeOffline();
};

/** Ranges of one file are told one by one. */
const parts = new Map<string, Progress>();
const opened = caller.call(
  "open",
  { ...openRequest(), sample: sampleText },
  {
    onPiece(piece: Progress) {
      parts.set(`${piece.file} ${piece.totalBytes}`, piece);
      let [bytes, total] = [0, 0];
      for (const one of parts.values()) {
        bytes += one.bytes;
        total += one.totalBytes ?? one.bytes;
      }
      host.progress = { bytes, total };
    },
  },
) as Promise<void>;
host.opened = opened;
const models = opened.then(async () => {
  const listed = (await (await fetch(modelsAddress)).json()) as { name: string; bytes: number }[];
  host.others = listed
    .filter(({ name }) => name !== modelName)
    .map(({ name, bytes }) => ({ name, bytes, address: pageOf(name) }));
});
models.catch(() => undefined);
opened.then(
  () => {
    offline = setTimeout(() => void keepForOffline().catch(() => undefined), OFFLINE_AFTER);
  },
  (error: Error) => (host.failure = error),
);

mount(App, { target: document.querySelector("#app")! });
