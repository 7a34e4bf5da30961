import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { connect, type Socket } from "node:net";
import test from "node:test";
import { InvalidConfigError } from "../../errors.ts";
import { listen, type Listener, type ListenOptions } from "./index.ts";

const host = "127.0.0.1";

/** Answers with the path; `/slow` when `finish` is called, and `asked` resolves when so many have asked for it. */
async function start(options: Partial<ListenOptions> = {}) {
  let finish: () => void = () => undefined;
  const slowOnes = { count: 0 };
  const waiting = new EventEmitter();
  const asked = async (count: number): Promise<void> => {
    while (slowOnes.count < count) await once(waiting, "asked");
  };
  const slow = new Promise<void>((resolve) => (finish = resolve));
  const listener = await listen(
    async (request) => {
      const { pathname } = new URL(request.url);
      if (request.method === "POST") await request.text();
      if (pathname === "/slow") {
        waiting.emit("asked", ++slowOnes.count);
        await slow;
      }
      return new Response(pathname);
    },
    { host, port: 0, ...options },
  );
  return { listener, finish, asked };
}

/** A connection over which `text` has gone; what came back, and whether the server has ended it. */
async function open({ port }: Listener, text: string) {
  const socket: Socket = connect(port, host).on("error", () => undefined);
  let got = "";
  socket.setEncoding("utf8").on("data", (part: string) => (got += part));
  const closed = once(socket, "close");
  await once(socket, "connect");
  if (text !== "") await new Promise<void>((resolve) => socket.write(text, () => resolve()));
  return {
    socket,
    closed,
    async until(pattern: RegExp): Promise<void> {
      while (!pattern.test(got)) await once(socket, "data");
    },
  };
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
const post = "POST /x HTTP/1.1\r\nHost: localhost\r\n";
const halves = [
  "",
  "POST /x HTT",
  `${post}Content-Length: 50\r\n\r\n{"prompt":`,
  `${post}Transfer-Encoding: chunked\r\n\r\n5\r\n{"pr`,
];

test("closing waits for answers under way, and not for requests that never come", async () => {
  const { listener, finish } = await start();
  const halfSent = await Promise.all(halves.map((text) => open(listener, text)));
  const idle = await open(listener, get("/idle"));
  await idle.until(/\/idle$/);
  const asking = await open(listener, get("/slow"));
  // Served after the others: what they sent has been read.
  assert.equal(await (await fetch(`${listener.url}/now`)).text(), "/now");
  let isClosed = false;
  const closing = listener.close().then(() => (isClosed = true));
  await Promise.all([...halfSent, idle].map(({ closed }) => closed));
  assert.equal(isClosed, false, "an answer is under way");
  finish();
  await asking.until(/\/slow$/);
  // Neither does the connection that it came over stay open, idle as it is now.
  await Promise.all([closing, asking.closed]);
});

test("connections have a bound: who is silent longest gives way, who is being answered does not", async () => {
  const { listener, finish, asked } = await start({ maxConnections: 3 });
  const asking = await open(listener, get("/slow"));
  await asked(1);
  const [first, second] = [await open(listener, halves[1]!), await open(listener, "")];
  const third = await open(listener, get("/third"));
  await Promise.all([first.closed, third.until(/\/third$/)]);
  const fourth = await open(listener, get("/fourth"));
  await Promise.all([second.closed, fourth.until(/\/fourth$/)]);
  // A connection that is used again is younger than one that is not.
  third.socket.write(get("/again"));
  await third.until(/\/again$/);
  const fifth = await open(listener, get("/slow"));
  await fourth.closed;
  const sixth = await open(listener, get("/slow"));
  await third.closed;
  await asked(3);
  // Three answers are under way: whoever comes now is sent away.
  const seventh = await open(listener, get("/late"));
  await seventh.closed;
  finish();
  await Promise.all([asking, fifth, sixth].map(({ until }) => until(/\/slow$/)));
  listener.destroy();
});

test("a crowd of half-open connections keeps nobody out", async () => {
  const { listener } = await start({ maxConnections: 20 });
  const crowd = await Promise.all(
    Array.from({ length: 60 }, (_, i) => open(listener, halves[i % halves.length]!)),
  );
  for (let i = 0; i < 5; i++)
    assert.equal(await (await fetch(`${listener.url}/${i}`)).text(), `/${i}`);
  listener.destroy();
  await Promise.all(crowd.map(({ closed }) => closed));
});

test("idle connections are kept for longer than pools keep theirs, or as long as is said", async () => {
  for (const [options, seconds] of [
    [{}, 120],
    [{ keepAlive: 7 }, 7],
  ] as const) {
    const { listener } = await start(options);
    const response = await fetch(listener.url);
    assert.equal(response.headers.get("keep-alive"), `timeout=${seconds}`);
    await response.text();
    listener.destroy();
  }
});

test("a port that cannot be opened is refused in words, with the system's error as the cause", async () => {
  const { listener } = await start();
  for (const [options, code, words] of [
    [
      { host, port: listener.port },
      "EADDRINUSE",
      /port \d+ of 127\.0\.0\.1: another program uses it/,
    ],
    [{ host: "192.0.2.1", port: 0 }, "EADDRNOTAVAIL", /does not have that address/],
    [{ host: "no.such.invalid", port: 0 }, "ENOTFOUND", /no host with that name|not be looked up/],
  ] as const)
    await assert.rejects(
      listen(async () => new Response(), options),
      (error: Error) => {
        assert.ok(error instanceof InvalidConfigError);
        assert.match(error.message, words);
        assert.match((error.cause as NodeJS.ErrnoException).code!, new RegExp(`${code}|EAI_AGAIN`));
        return true;
      },
    );
  listener.destroy();
});
