/** What makes the site work without a network after the first visit, and takes it back. Knows no model. */

/**
 * Call when the page has what it needs: a service worker fetches its files once more, for the most part from the cache.
 * Resolves when it answers this page, with whether it has not done so before.
 */
export async function keepForOffline(): Promise<boolean> {
  const { serviceWorker } = navigator;
  // Without a secure context there is none, and no harm is done.
  if (serviceWorker === undefined) return false;
  const isNew = serviceWorker.controller === null;
  const taken = new Promise((resolve) =>
    serviceWorker.addEventListener("controllerchange", resolve, { once: true }),
  );
  await serviceWorker.register(new URL("offline.js", document.baseURI));
  if (isNew) await taken;
  return isNew;
}

/** Removes what was kept of the site, of every version. Models are removed by `removeKept`. */
export async function removeOffline(): Promise<void> {
  const scope = new URL(".", document.baseURI).href;
  await (await navigator.serviceWorker?.getRegistration(scope))?.unregister();
  for (const name of (await globalThis.caches?.keys()) ?? [])
    if (name.startsWith("engram-site ")) await caches.delete(name);
}
