/**
 * The Hugging Face Hub, or a mirror of it: lists a model's files with their sums, and says where each is. Its answers
 * are not believed: they have limits, names and sums are checked, and the token goes to the hub's own origin only. Knows
 * no disk. The interface is `@huggingface/hub`'s business, requests are `bytes`'.
 */
import {
  type HttpOptions,
  HttpRequests,
  PassingError,
  readWholeBody,
  unexpectedStatus,
} from "../bytes/index.ts";
import { isPlainName } from "../checkpoint/index.ts";
import { EngramError, FormatError, RequestError, StoreError } from "../errors.ts";
import type { HubFile } from "./model-files.ts";
import { isCommit, type ModelName } from "./model-name.ts";

export interface HubAddress {
  /** "https://huggingface.co", or a mirror. */
  readonly endpoint: string;
  readonly token?: string | undefined;
}

export type HubRequestOptions = Pick<
  HttpOptions,
  "signal" | "onRetry" | "retryDelay" | "retries" | "timeout" | "patience"
>;

/** What a repository has at one commit. */
export interface Listing {
  readonly commit: string;
  /** The files at its top; what is in folders is not a model's. */
  readonly files: readonly HubFile[];
}

/** A list of ten thousand files, as the hub sends it. */
const MAX_LIST_BYTES = 2 ** 23;
const MAX_FILES = 10_000;
/** The hub's pages of a list have a thousand files. */
const MAX_PAGES = 100;

/** Lines break for longer than servers fail; the hub counts requests in windows of five minutes. */
const patient = { retries: 5, retryDelay: 500, timeout: 30_000, patience: 5 * 60_000 } as const;

/** Throws `RequestError` for what the hub refuses, `StoreError` where it cannot be reached. */
export async function listModel(
  hub: HubAddress,
  { repo, revision }: ModelName,
  options: HubRequestOptions = {},
): Promise<Listing> {
  // Imported here: its sixty modules take a tenth of a second, and one command needs them.
  const { listFiles, modelInfo } = await import("@huggingface/hub");
  const common = {
    hubUrl: hub.endpoint,
    fetch: fetchFrom(hub, { subject: { repo, revision }, options }),
  };
  try {
    const { sha } = await modelInfo({ name: repo, revision, additionalFields: ["sha"], ...common });
    if (!isCommit(sha)) throw new TypeError(`expected the commit of ${revision}`);
    const files: HubFile[] = [];
    let count = 0;
    for await (const entry of listFiles({ repo, revision: sha, ...common })) {
      if (++count > MAX_FILES) throw new TypeError(`more than ${MAX_FILES} files`);
      if (entry.type === "file" && isFileName(entry.path)) files.push(checkedFile(entry));
    }
    return { commit: sha, files };
  } catch (cause) {
    options.signal?.throwIfAborted();
    if (cause instanceof StoreError && isNetworks(cause))
      throw new StoreError(
        `${cause.message}; the hub cannot be reached: check the network, set HF_ENDPOINT for a mirror, or ` +
          "NODE_USE_ENV_PROXY=1 and HTTPS_PROXY for a proxy; a model copied into a directory needs no hub",
        { cause },
      );
    if (cause instanceof EngramError) throw cause;
    throw new FormatError(
      `${hub.endpoint} does not answer as a hub for ${repo}: ${(cause as Error).message}; check HF_ENDPOINT`,
      { cause },
    );
  }
}

/** Whether a failure is that of a line, and not an answer. */
function isNetworks({ cause }: StoreError): boolean {
  return cause instanceof PassingError && cause.cause !== undefined;
}

/** Requests for one file of a repository. */
export function requestsFor(
  hub: HubAddress,
  { repo, commit, file }: { repo: string; commit: string; file: string },
  options: HubRequestOptions = {},
): HttpRequests {
  return requestsTo(hub, {
    address: `${hub.endpoint}/${repo}/resolve/${commit}/${encodeURIComponent(file)}`,
    options,
  });
}

function requestsTo(
  { token }: HubAddress,
  { address, options }: { address: string; options: HubRequestOptions },
): HttpRequests {
  return new HttpRequests(address, {
    ...patient,
    ...options,
    ...(token !== undefined && { headers: { authorization: `Bearer ${token}` } }),
  });
}

/** The error for an answer that is none of those expected: what the hub means by it, and what helps. */
export function refusalOf(
  response: Response,
  {
    subject: { repo, revision },
    where,
    hub: { endpoint, token },
  }: { subject: Pick<ModelName, "repo" | "revision">; where: string; hub: HubAddress },
): EngramError {
  const { status, headers } = response;
  const code = headers.get("x-error-code");
  const said = headers.get("x-error-message");
  const words = said ? ` (the hub says: ${said.slice(0, 200)})` : "";
  const host = new URL(endpoint).host;
  if (status === 401 && token === undefined)
    return new RequestError(
      `${repo} is not on ${host}, or is private${words}; check the name, and set HF_TOKEN for a model that is yours`,
    );
  if (status === 401)
    return new RequestError(
      `${host} does not accept the token for ${repo}${words}; check HF_TOKEN, or the name`,
    );
  if (status === 403)
    return new RequestError(
      `${host} does not give ${repo} to ${token === undefined ? "strangers" : "this token"}${words}; if it asks ` +
        `for consent, give it at ${endpoint}/${repo} and set HF_TOKEN`,
    );
  if (status === 404 && code === "RevisionNotFound")
    return new RequestError(`${repo} has no revision ${revision}${words}`);
  if (status === 404)
    return new RequestError(`${host} has nothing at ${where}${words}; check the name`);
  return unexpectedStatus(response, { where, expected: "200 OK or 206 Partial Content" });
}

/** A `fetch` with limits, for the library that knows the hub's interface. */
function fetchFrom(
  hub: HubAddress,
  {
    subject,
    options,
  }: { subject: Pick<ModelName, "repo" | "revision">; options: HubRequestOptions },
): typeof fetch {
  let pages = 0;
  return (input) => {
    // A page may have nothing but the address of the next one.
    if (++pages > MAX_PAGES) throw new TypeError(`more than ${MAX_PAGES} pages of a list`);
    const address = input instanceof Request ? input.url : input.toString();
    // The next page of a list is wherever the answer says.
    if (new URL(address).origin !== new URL(hub.endpoint).origin)
      throw new StoreError(`${hub.endpoint} sends its list elsewhere; that is not followed`);
    const requests = requestsTo(hub, { address, options });
    const where = requests.name;
    const asked = { where, headers: { accept: "application/json" } };
    return requests.get(asked, async (response) => {
      if (response.status !== 200) throw refusalOf(response, { subject, where, hub });
      const body = await readWholeBody(response, { where, most: MAX_LIST_BYTES });
      const link = response.headers.get("link");
      return new Response(Uint8Array.from(body), { headers: link === null ? {} : { link } });
    });
  };
}

interface ListedEntry {
  readonly path: string;
  readonly size: number;
  readonly oid?: string;
  readonly lfs?: { readonly oid: string; readonly size: number };
}

/** Whether a name is a file's everywhere: on Windows some are devices, and dots and spaces at an end are no part of it. */
function isFileName(path: string): boolean {
  return isPlainName(path) && !/^(?:con|prn|aux|nul|com\d|lpt\d) *(?:\.|$)|[. ]$/i.test(path);
}

function checkedFile({ path: name, size, oid, lfs }: ListedEntry): HubFile {
  const bytes = lfs === undefined ? size : lfs.size;
  const digest = lfs === undefined ? oid : lfs.oid;
  const length = lfs === undefined ? 40 : 64;
  if (typeof digest !== "string" || !/^[0-9a-f]+$/.test(digest) || digest.length !== length)
    throw new TypeError(`${name} has no digest`);
  if (!Number.isSafeInteger(bytes) || bytes < 0) throw new TypeError(`${name} has no size`);
  return { name, bytes, digest };
}
