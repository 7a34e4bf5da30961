/** Which log has what a model is taught: a file beside it, one in a directory of its own, or a memory that servers share. */
import { InvalidConfigError } from "../../errors.ts";
import type { LogVocabulary } from "../log-format.ts";
import { FactLogFile } from "./fact-log.ts";
import { FactStream } from "./fact-stream.ts";
import { memoryPlace } from "./memory-place.ts";
import { streamAddress } from "./stream-client.ts";

/** Where a memory is, if not where its model says. */
export interface MemoryPlace {
  readonly memoryDir?: string | undefined;
  /** `redis[s]://user:password@host:port/NAME` */
  readonly memoryUrl?: string | undefined;
}

/** `model` is a path. Without `vocabulary`, any vocabulary's facts are read. Opens nothing yet. */
export async function openFactLog(
  model: string,
  {
    memoryDir,
    memoryUrl,
    vocabulary,
  }: MemoryPlace & { readonly vocabulary?: (() => LogVocabulary) | undefined },
): Promise<FactLogFile | FactStream> {
  const options = vocabulary && { vocabulary };
  if (memoryUrl === undefined)
    return new FactLogFile(memoryDir ?? (await memoryPlace(model)), options);
  if (memoryDir !== undefined)
    throw new InvalidConfigError("expected a directory for the memory or its address, not both");
  return new FactStream(streamAddress(memoryUrl), options);
}
