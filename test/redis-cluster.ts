/**
 * A Redis cluster of three nodes on the loopback, for tests: started, put together and stopped here. Needs the
 * program `redis-server` (or `valkey-server`); knows nothing of tables.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Redis } from "iovalkey";

/** The program, or undefined where there is none. */
export const redisServer: string | undefined = ["redis-server", "valkey-server"].find(
  (program) => spawnSync(program, ["--version"]).status === 0,
);

export const withoutRedis = "neither redis-server nor valkey-server is installed";

export interface ClusterNode {
  readonly host: string;
  readonly port: number;
  readonly process: ChildProcess;
}

export interface TestCluster {
  readonly nodes: readonly ClusterNode[];
  /** Starts a node again that was killed, with its place in the cluster and without its data. */
  restart(index: number): Promise<void>;
  stop(): Promise<void>;
}

const host = "127.0.0.1";
const numSlots = 16384;

export async function startCluster(numNodes = 3): Promise<TestCluster> {
  const folder = mkdtempSync(join(tmpdir(), "engram-redis-"));
  const ports: [port: number, bus: number][] = [];
  for (let i = 0; i < numNodes; i++) ports.push([await freePort(), await freePort()]);
  const nodes: ClusterNode[] = [];
  const start = async (index: number): Promise<void> => {
    const [port, bus] = ports[index]!;
    nodes[index] = {
      host,
      port,
      process: startNode({ port, bus, folder: join(folder, `${index}`) }),
    };
    await until(async () => (await ask(port, ["PING"])) === "PONG");
  };
  const stop = async (): Promise<void> => {
    for (const { process: child } of nodes) await kill(child);
    rmSync(folder, { recursive: true, force: true });
  };
  const isWhole = async (): Promise<boolean> => {
    for (const { port } of nodes) {
      const info = await ask(port, ["CLUSTER", "INFO"]);
      const known = new RegExp(`cluster_state:ok[^]*cluster_known_nodes:${numNodes}`);
      if (!known.test(info)) return false;
    }
    return true;
  };
  try {
    for (let i = 0; i < numNodes; i++) await start(i);
    for (const [i, [port]] of ports.entries()) {
      const first = Math.floor((i * numSlots) / numNodes);
      const last = Math.floor(((i + 1) * numSlots) / numNodes) - 1;
      await ask(port, ["CLUSTER", "ADDSLOTSRANGE", `${first}`, `${last}`]);
      await ask(port, ["CLUSTER", "SET-CONFIG-EPOCH", `${i + 1}`]);
    }
    for (const [port, bus] of ports.slice(1))
      await ask(ports[0]![0], ["CLUSTER", "MEET", host, `${port}`, `${bus}`]);
    await until(isWhole);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    nodes,
    stop,
    restart: async (index) => {
      await start(index);
      await until(isWhole);
    },
  };
}

/** One server that is no cluster. */
export async function startServer(): Promise<ClusterNode & { stop(): Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), "engram-redis-"));
  const [port, bus] = [await freePort(), await freePort()];
  const child = startNode({ port, bus, folder, isCluster: false });
  const stop = async (): Promise<void> => {
    await kill(child);
    rmSync(folder, { recursive: true, force: true });
  };
  await until(async () => (await ask(port, ["PING"])) === "PONG");
  return { host, port, process: child, stop };
}

export async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
}

function startNode({
  port,
  bus,
  folder,
  isCluster = true,
}: {
  port: number;
  bus: number;
  folder: string;
  isCluster?: boolean;
}) {
  mkdirSync(folder, { recursive: true });
  const settings: Record<string, string> = {
    port: `${port}`,
    bind: host,
    dir: folder,
    save: "",
    appendonly: "no",
    // What is saved is searched for bytes.
    rdbcompression: "no",
    ...(isCluster && {
      "cluster-port": `${bus}`,
      "cluster-enabled": "yes",
      "cluster-node-timeout": "1000",
      // Slots of living nodes go on answering when another node is gone.
      "cluster-require-full-coverage": "no",
    }),
  };
  const words = Object.entries(settings).flatMap(([key, value]) => [`--${key}`, value]);
  return spawn(redisServer!, words, { stdio: "ignore" });
}

export async function ask(
  port: number,
  [command, ...words]: [string, ...string[]],
): Promise<string> {
  const client = new Redis({ host, port, lazyConnect: true, retryStrategy: () => null });
  client.on("error", () => undefined);
  try {
    await client.connect();
    return String(await client.call(command, ...words));
  } finally {
    client.disconnect();
  }
}

async function until(isTrue: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!(await isTrue().catch(() => false))) {
    if (Date.now() > deadline) throw new Error("the Redis cluster did not come up in a minute");
    await delay(50);
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}
