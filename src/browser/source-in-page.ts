/** The files at an address, as a page reads them: kept by this browser where it may keep any. Opens no model. */
import { type ByteSource, httpSource } from "../bytes/index.ts";
import { keptSource } from "../checkpoint/index.ts";
import { opfsFolder } from "./opfs.ts";
import { fetchPacked } from "./packed-files.ts";
import { fetchWithProgress, type Progress } from "./progress.ts";

/** Milliseconds for one answer of a slow network. */
const TIMEOUT = 120_000;

/** `tell` hears the progress of what is fetched. `isPacked`: the site has files packed beside them. */
export async function sourceInPage(
  {
    address,
    keepBytes,
    isPacked = false,
  }: { readonly address: string; readonly keepBytes: number; readonly isPacked?: boolean },
  { signal, tell }: { readonly signal: AbortSignal; tell(progress: Progress): void },
): Promise<ByteSource> {
  const told = fetchWithProgress(tell);
  const fetch = isPacked ? fetchPacked(told) : told;
  const source = httpSource(address, { fetch, signal, timeout: TIMEOUT });
  const folder = keepBytes > 0 ? await opfsFolder(address) : undefined;
  return folder === undefined ? source : keptSource(source, { folder, mostBytes: keepBytes });
}
