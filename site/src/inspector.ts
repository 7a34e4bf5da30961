/** The inspector's beginning in the static site: the page of `engram serve`, before a server in a worker. */
import { mount } from "svelte";
import { Caller, fetchFrom, type Port } from "../../src/browser/index.ts";
import App from "../../web/src/App.svelte";
import { useTransport } from "../../web/src/api.ts";
import { openRequest, sampleText } from "./places.ts";

const worker = new Worker(new URL("./server-worker.ts", import.meta.url), {
  type: "module",
  name: "engram",
});
const caller = new Caller(worker as Port);
worker.addEventListener("error", ({ message }) => caller.fail(new Error(message)));
useTransport(({ href }, init) =>
  fetchFrom(caller, href.slice(new URL(".", document.baseURI).href.length), init),
);
void caller.call("open", { ...openRequest(), sample: sampleText });

mount(App, { target: document.querySelector("#app")! });
