/**
 * The commands of Valkey and Redis that a log of facts needs, from one server or a cluster of them: which of the two
 * answers is asked. Knows connections; nothing of what streams hold. No message has the password.
 */
import type { Cluster, Redis } from "iovalkey";
import { InvalidConfigError, StoreError } from "../../errors.ts";
import { isFactName } from "../fact-name.ts";

export interface StreamAddress {
  readonly host: string;
  readonly port: number;
  /** Of the memory. */
  readonly name: string;
  readonly isEncrypted: boolean;
  readonly username?: string;
  readonly password?: string;
}

export interface StreamClient {
  /** Runs a script; undefined where it answers nothing. */
  eval(
    script: string,
    keys: readonly string[],
    words: readonly (string | Uint8Array)[],
  ): Promise<string | undefined>;
  fields(key: string, names: readonly string[]): Promise<(string | null)[]>;
  /** Entries behind an id. */
  range(key: string, after: string, count: number): Promise<{ id: string; commit: Uint8Array }[]>;
  /** Of a stream; "0-0" where there is none. */
  lastId(key: string): Promise<string>;
  /** Waits for entries behind an id in any of the streams; the last id of each that has some. */
  wait(
    streams: readonly (readonly [key: string, after: string])[],
    milliseconds: number,
  ): Promise<Map<string, string>>;
  close(): void;
}

/** Milliseconds for one answer. */
const TIMEOUT = 2000;

/** `redis[s]://user:password@host:port/NAME`. Throws `InvalidConfigError`, which does not show it. */
export function streamAddress(text: string): StreamAddress {
  const refuse = (): InvalidConfigError =>
    new InvalidConfigError(
      "the address of a memory is redis[s]://user:password@host:port/NAME; NAME has 1 to 64 letters, digits, " +
        '"_", ".", ":" or "-"',
    );
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^rediss?:$/.test(url.protocol) || url.hostname === "") throw refuse();
  const { protocol, hostname, port, username, password, pathname } = url;
  const name = pathname.replace(/^\//, "");
  if (!isFactName(name) || url.search !== "" || url.hash !== "") throw refuse();
  try {
    return {
      host: hostname.replace(/^\[|\]$/g, ""),
      port: Number(port || 6379),
      name,
      isEncrypted: protocol === "rediss:",
      ...(username !== "" && { username: decodeURIComponent(username) }),
      ...(password !== "" && { password: decodeURIComponent(password) }),
    };
  } catch {
    throw refuse();
  }
}

/** `patience`: milliseconds that an answer may take beyond the usual. Throws `StoreError` where nobody answers. */
export async function connectStream(
  { host, port, isEncrypted, username, password }: StreamAddress,
  patience = 0,
): Promise<StreamClient> {
  const library = await import("iovalkey").catch((cause: unknown) => {
    throw new InvalidConfigError(
      "a memory in Valkey or Redis needs the package iovalkey; install it with: npm install iovalkey",
      { cause },
    );
  });
  const options = {
    connectTimeout: TIMEOUT,
    commandTimeout: TIMEOUT + patience,
    // A command that was refused must not be sent later.
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    ...(isEncrypted && { tls: {} }),
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
  };
  const one = new library.Redis({
    ...options,
    host,
    port,
    lazyConnect: true,
    retryStrategy: () => null,
  });
  one.on("error", () => undefined);
  try {
    await one.connect();
    const isCluster = /cluster_enabled:1/.test(await one.info("cluster"));
    if (!isCluster) return clientOf(one);
    one.disconnect();
    const all = new library.Cluster([{ host, port }], {
      lazyConnect: true,
      enableOfflineQueue: false,
      slotsRefreshTimeout: TIMEOUT,
      clusterRetryStrategy: () => null,
      redisOptions: options,
    });
    all.on("error", () => undefined);
    try {
      await all.connect();
    } catch (error) {
      all.disconnect();
      throw error;
    }
    return clientOf(all);
  } catch (error) {
    one.disconnect();
    throw new StoreError(
      `no memory answers at ${host}:${port} (${(error as Error).message}): nothing can be taught or forgotten now; ` +
        "what was read before is known as before",
    );
  }
}

type Entry = readonly [id: Buffer, fields: readonly Buffer[]];

function clientOf(client: Redis | Cluster): StreamClient {
  return {
    async eval(script, keys, words) {
      const all = words.map((word) => (typeof word === "string" ? word : Buffer.from(word)));
      const answer = await client.eval(script, keys.length, ...keys, ...all);
      return answer === null ? undefined : String(answer);
    },
    fields: (key, names) => client.hmget(key, ...names),
    async range(key, after, count) {
      const entries = await client.xrangeBuffer(key, `(${after}`, "+", "COUNT", count);
      return entries.map(([id, fields]: Entry) => ({
        id: id.toString(),
        commit: fields[1] ?? new Uint8Array(),
      }));
    },
    async lastId(key) {
      const [last] = await client.xrevrange(key, "+", "-", "COUNT", 1);
      return last?.[0] ?? "0-0";
    },
    async wait(streams, milliseconds) {
      const found = await client.xread(
        "BLOCK",
        milliseconds,
        "STREAMS",
        ...streams.map(([key]) => key),
        ...streams.map(([, after]) => after),
      );
      return new Map(found?.map(([key, entries]) => [key, entries.at(-1)![0]]));
    },
    close: () => client.disconnect(),
  };
}
