/**
 * The service worker of the static site: after the first visit its pages, scripts and engine come from this machine,
 * and the models from where `keptSource` has them. A new build is another version: its files are fetched before it takes
 * over, and those of older ones go. Answers for nothing but the files of the build, which puts them in the place below.
 */
const version = "VERSION";
/** Relative to the site's address. */
const files = ["FILES"];

const name = `engram-site ${version}`;
const root = new URL(".", self.location.href).href;

self.addEventListener("install", (event) => {
  const keep = async () => {
    const cache = await caches.open(name);
    // Names below assets/ say what is in them; others are asked for anew, and may be answered by "not changed".
    const requestFor = (file) =>
      new Request(root + file, { cache: file.startsWith("assets/") ? "force-cache" : "no-cache" });
    const isPacked = (file) => file.endsWith(".wasm.gz");
    await cache.addAll(files.filter((file) => !isPacked(file)).map(requestFor));
    for (const file of files.filter(isPacked)) await keepUnpacked(cache, requestFor(file));
    await self.skipWaiting();
  };
  event.waitUntil(keep());
});

/** As WebAssembly, of which the browser then keeps what it compiles. Some servers unpack it themselves. */
const keepUnpacked = async (cache, request) => {
  const response = await fetch(request);
  if (!response.ok) throw new Error(`${request.url}: ${response.status}`);
  const [looked, whole] = response.body.tee();
  const reader = looked.getReader();
  const { value: first } = await reader.read();
  void reader.cancel();
  const body = first?.[0] === 0x1f ? whole.pipeThrough(new DecompressionStream("gzip")) : whole;
  await cache.put(request, new Response(body, { headers: { "content-type": "application/wasm" } }));
};

self.addEventListener("activate", (event) => {
  const takeOver = async () => {
    for (const other of await caches.keys())
      if (other.startsWith("engram-site ") && other !== name) await caches.delete(other);
    await self.clients.claim();
  };
  event.waitUntil(takeOver());
});

self.addEventListener("fetch", (event) => {
  const { method, url, headers } = event.request;
  const address = url.split(/[?#]/)[0];
  const file = address.slice(root.length) || "index.html";
  if (method !== "GET" || !address.startsWith(root) || headers.has("range")) return;
  if (!files.includes(file)) return;
  const answer = async () => {
    const kept = await (await caches.open(name)).match(root + file);
    return kept ?? fetch(event.request);
  };
  event.respondWith(answer());
});
