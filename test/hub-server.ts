/**
 * A stub of the Hugging Face Hub on the loopback: the three requests that fetching a model makes, answered as the hub
 * answers them, each of which a test may answer otherwise. Written after the hub's documentation and what Python's
 * huggingface_hub reads of it.
 */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface HubServer extends AsyncDisposable {
  readonly origin: string;
  /** What was asked for, oldest first. */
  readonly requests: readonly IncomingMessage[];
}

export interface HubContent {
  readonly repo: string;
  readonly commit: string;
  readonly files: Readonly<Record<string, Uint8Array>>;
  /** Of the revisions that there are, besides the commit. Default: main. */
  readonly revisions?: readonly string[];
}

/** Answers a request itself, or leaves it to the hub by returning false. */
export type Answer = (request: IncomingMessage, response: ServerResponse) => boolean;

/** As large as what is kept outside of Git. */
const LFS_BYTES = 2000;

export async function startHub(
  content: HubContent,
  answer: Answer = () => false,
): Promise<HubServer> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    if (!answer(request, response)) reply(content, request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export function digestOf(bytes: Uint8Array): string {
  return bytes.length >= LFS_BYTES
    ? createHash("sha256").update(bytes).digest("hex")
    : createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
}

export function listingOf({ files }: Pick<HubContent, "files">): Record<string, unknown>[] {
  return Object.entries(files).map(([path, bytes]) => {
    const isLarge = bytes.length >= LFS_BYTES;
    return {
      type: "file",
      path,
      size: bytes.length,
      oid: isLarge ? "0".repeat(40) : digestOf(bytes),
      ...(isLarge && { lfs: { oid: digestOf(bytes), size: bytes.length, pointerSize: 134 } }),
    };
  });
}

/** Whether a request is for a file's bytes. */
export function isForFile({ url = "" }: IncomingMessage, name?: string): boolean {
  return name === undefined ? url.includes("/resolve/") : url.endsWith(`/${name}`);
}

function reply(
  content: HubContent,
  { url = "", headers: { range } }: IncomingMessage,
  response: ServerResponse,
): void {
  const { repo, commit, files, revisions = ["main"] } = content;
  const refuse = (code: string): void =>
    void response.writeHead(404, { "x-error-code": code, "x-error-message": code }).end();
  const sendJson = (value: unknown): void =>
    void response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(value));
  const path = decodeURIComponent(url.replace(/\?.*/, ""));
  const [, named, kind, rest] =
    /^(?:\/api\/models)?\/([^/]+(?:\/[^/]+)??)\/(revision|tree|resolve)\/(.+)$/.exec(path) ?? [];
  if (named !== repo) return refuse("RepoNotFound");
  const [revision = "", name = ""] = kind === "resolve" ? rest!.split(/\/(?=[^/]+$)/) : [rest!];
  if (revision !== commit && !revisions.includes(revision)) return refuse("RevisionNotFound");
  if (kind === "revision")
    return sendJson({ _id: "1", id: repo, sha: commit, lastModified: "2026-01-01T00:00:00Z" });
  if (kind === "tree") return sendJson(listingOf(content));
  const bytes = files[name];
  if (bytes === undefined) return refuse("EntryNotFound");
  sendBytes(bytes, range, response);
}

/** As the hub's storage sends them: from `range` on, or all. */
export function sendBytes(
  bytes: Uint8Array,
  range: string | undefined,
  response: ServerResponse,
): void {
  const [, first] = /^bytes=(\d+)-$/.exec(range ?? "") ?? [];
  const begin = Number(first ?? 0);
  response
    .writeHead(first === undefined ? 200 : 206, {
      "content-length": bytes.length - begin,
      ...(first !== undefined && {
        "content-range": `bytes ${begin}-${bytes.length - 1}/${bytes.length}`,
      }),
    })
    .end(bytes.subarray(begin));
}
