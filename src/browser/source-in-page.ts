/** The files at an address, as a page reads them: kept by this browser where it may keep any. Opens no model. */
import { type ByteSource, httpSource } from "../bytes/index.ts";
import { keptSource } from "../checkpoint/index.ts";
import { opfsFolder } from "./opfs.ts";
import { fetchWithProgress, type Progress } from "./progress.ts";

/** Milliseconds for one answer of a slow network. */
const TIMEOUT = 120_000;

/** `tell` hears the progress of what is fetched. */
export async function sourceInPage(
  { address, keepBytes }: { readonly address: string; readonly keepBytes: number },
  { signal, tell }: { readonly signal: AbortSignal; tell(progress: Progress): void },
): Promise<ByteSource> {
  const fetch = fetchWithProgress(tell);
  const source = httpSource(address, { fetch, signal, timeout: TIMEOUT });
  const folder = keepBytes > 0 ? await opfsFolder(address) : undefined;
  return folder === undefined ? source : keptSource(source, { folder, mostBytes: keepBytes });
}
