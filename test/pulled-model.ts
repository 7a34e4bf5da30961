/** A small model on a stub of the hub, and fetching it from there into a cache of its own: for tests. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { parseModelName } from "../src/hub/index.ts";
import {
  type HubSettings,
  pullModel,
  type PulledModel,
  type PullOptions,
} from "../src/hub/node/index.ts";
import { type Answer, type HubContent, isForFile, startHub } from "./hub-server.ts";

const scratch = mkdtempSync(join(tmpdir(), "engram-hub-"));
after(() => rmSync(scratch, { recursive: true }));
let count = 0;

/** A cache folder of its own. */
export function freshCache(): string {
  return join(scratch, String(count++));
}

export function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

export function random(bytes: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, i) => (i * i) >> 3);
}

export const commit: string = "c0ffee".padEnd(40, "0");
export const weights: Uint8Array = random(300_000);

export const small: HubContent = {
  repo: "owner/repo",
  commit,
  files: {
    "config.json": text('{"model_type":"llama"}'),
    "tokenizer.json": random(5000),
    "README.md": text("# a model\n"),
    "model.safetensors": weights,
    "consolidated.safetensors": random(70),
    "pytorch_model.bin": random(80),
    "model.onnx": random(90),
    "training_args.bin": random(3),
  },
};

/** Of its files, those that a model needs. */
export const names: readonly string[] = [
  "README.md",
  "config.json",
  "model.safetensors",
  "tokenizer.json",
];

export function totalOf({ files }: HubContent): number {
  return names.reduce((sum, name) => sum + files[name]!.length, 0);
}

export const quick: PullOptions = { retryDelay: 1, retries: 2, timeout: 2000 };

export interface TryOptions extends PullOptions {
  readonly answer?: Answer;
  readonly name?: string;
  readonly cache?: string;
  readonly token?: string;
}

export interface Tried {
  readonly cache: string;
  readonly requests: readonly IncomingMessage[];
}

export async function pull(
  content: HubContent,
  { answer, name = "owner/repo", cache = freshCache(), token, ...options }: TryOptions = {},
): Promise<Tried & { readonly found: PulledModel | Error }> {
  await using hub = await startHub(content, answer);
  const settings: HubSettings = { endpoint: hub.origin, cache, isOffline: false, token };
  const found = await pullModel(parseModelName(name)!, settings, { ...quick, ...options }).catch(
    (error: Error) => error,
  );
  return { found, cache, requests: hub.requests };
}

export async function pulled(
  content: HubContent,
  options?: TryOptions,
): Promise<Tried & PulledModel> {
  const { found, ...rest } = await pull(content, options);
  if (found instanceof Error) throw found;
  return { ...found, ...rest };
}

export async function refused(
  expected: RegExp,
  content: HubContent,
  options?: TryOptions,
): Promise<Tried> {
  const { found, ...rest } = await pull(content, options);
  assert.ok(found instanceof Error, "it was pulled");
  assert.match(found.message, expected);
  return rest;
}

export function inFolder(cache: string): string {
  return join(cache, "models--owner--repo");
}

/** Sends `bytes` of the weights, then breaks the line. */
export function cutAfter(bytes: number, request: IncomingMessage, response: ServerResponse): true {
  const [, first] = /^bytes=(\d+)-$/.exec(request.headers.range ?? "") ?? [];
  const begin = Number(first ?? 0);
  response.writeHead(first === undefined ? 200 : 206, {
    "content-length": weights.length - begin,
    ...(first && { "content-range": `bytes ${begin}-${weights.length - 1}/${weights.length}` }),
  });
  response.write(weights.subarray(begin, begin + bytes), () => response.destroy());
  return true;
}

/** Answers requests for the weights. */
export function onWeights(answer: Answer): Answer {
  return (request, response) =>
    isForFile(request, "model.safetensors") && answer(request, response);
}
