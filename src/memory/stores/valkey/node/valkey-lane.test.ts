import assert from "node:assert/strict";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { after, test } from "node:test";
import * as fc from "fast-check";
import { rowPattern } from "../../../../../test/conformance/store.ts";
import { type Refusal, ValkeyLane } from "./valkey-lane.ts";

const pieceBytes = 12;
const host = "127.0.0.1";
const open: (() => void)[] = [];
after(() => open.forEach((close) => close()));

/** A server that answers by `answer`; it gets the words of a command, and the socket. */
async function serve(answer: (words: readonly string[], socket: Socket) => void): Promise<number> {
  const server = createServer((socket) => {
    socket.setNoDelay(true);
    let text = "";
    socket.on("error", () => undefined);
    socket.on("data", (data) => {
      text += data.toString("latin1");
      for (;;) {
        const command = /^\*(\d+)\r\n((?:\$\d+\r\n[^\r]*\r\n)*)/.exec(text);
        const words = [...(command?.[2] ?? "").matchAll(/\$\d+\r\n([^\r]*)\r\n/g)].map(
          (m) => m[1]!,
        );
        if (command === null || words.length < Number(command[1])) return;
        const taken = words.slice(0, Number(command[1]));
        text = text.slice(
          `*${taken.length}\r\n`.length +
            taken.reduce((sum, word) => sum + `$${word.length}\r\n${word}\r\n`.length, 0),
        );
        answer(taken, socket);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  open.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** The bytes that a string has where its name and its place say so. */
function piece(key: string, at: number): Uint8Array {
  return rowPattern(Number(key) * 1000 + at, pieceBytes);
}

function bulk(bytes: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from("\r\n")]);
}

async function laneTo(port: number, more: { password?: string; timeout?: number } = {}) {
  const lane = new ValkeyLane({ host, port, timeout: 5000, pieceBytes, ...more });
  open.push(() => lane.close());
  await lane.open();
  return lane;
}

/** Asks for pieces [key, at] together. */
function ask(lane: ValkeyLane, pieces: readonly (readonly [string, number])[]) {
  const into = new Uint8Array(pieces.length * pieceBytes);
  for (const [place, [key, at]] of pieces.entries()) lane.ask(key, { at, place });
  return new Promise<{ into: Uint8Array; refused: readonly Refusal[] }>((resolve) =>
    lane.send(into, (refused) => resolve({ into, refused })),
  );
}

function pieceAt(into: Uint8Array, place: number): Uint8Array {
  return into.slice(place * pieceBytes, (place + 1) * pieceBytes);
}

test("pieces come to their places however the answers are cut", async () => {
  let pending = Buffer.alloc(0);
  let cuts: readonly number[] = [];
  const port = await serve(([, key, first, last], socket) => {
    assert.equal(Number(last) - Number(first) + 1, pieceBytes);
    pending = Buffer.concat([pending, bulk(piece(key!, Number(first)))]);
    if (key !== "9") return;
    const [answers, sizes] = [pending, [...cuts, pending.length]];
    pending = Buffer.alloc(0);
    let from = 0;
    const next = (): void => {
      const size = sizes.shift();
      if (size === undefined || from >= answers.length) return;
      socket.write(answers.subarray(from, (from += size)), () => setImmediate(next));
    };
    next();
  });
  const lane = await laneTo(port);
  assert.ok(lane.isReady);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(8).map(String), fc.nat(500)), { maxLength: 12 }),
      fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 20 }),
      async (some, sizes) => {
        cuts = sizes;
        const pieces: [string, number][] = [...some, ["9", 7]];
        const { into, refused } = await ask(lane, pieces);
        assert.deepEqual(refused, []);
        for (const [place, [key, from]] of pieces.entries())
          assert.deepEqual(pieceAt(into, place), piece(key, from));
      },
    ),
    { numRuns: 60 },
  );
});

test("errors and short answers are told by their place, and those behind them are read", async () => {
  const port = await serve(([, key, first], socket) => {
    if (key === "1") socket.write("-MOVED 77 10.0.0.1:7000\r\n");
    else if (key === "2") socket.write(bulk(Buffer.from("\r\n$12\r\n")));
    else if (key === "3") socket.write("$0\r\n\r\n");
    else socket.write(bulk(piece(key!, Number(first))));
  });
  const lane = await laneTo(port);
  const { into, refused } = await ask(lane, [
    ["0", 5],
    ["1", 5],
    ["2", 5],
    ["0", 6],
    ["3", 5],
    ["0", 7],
  ]);
  assert.deepEqual(
    refused.map(({ place, reason }) => [place, reason]),
    [
      [1, "MOVED 77 10.0.0.1:7000"],
      [2, "an answer of 7 bytes"],
      [4, "an answer of 0 bytes"],
    ],
  );
  for (const [place, from] of [
    [0, 5],
    [3, 6],
    [5, 7],
  ] as const)
    assert.deepEqual(pieceAt(into, place), piece("0", from));
});

for (const [what, nonsense] of [
  ["a number", ":12\r\n"],
  ["nothing", "$-1\r\n"],
  ["more than was asked for", bulk(new Uint8Array(pieceBytes + 1))],
  [
    "a piece without its end",
    Buffer.concat([bulk(new Uint8Array(pieceBytes)).subarray(0, -2), Buffer.from("xx")]),
  ],
  ["two answers to one question", Buffer.concat([bulk(piece("0", 1)), bulk(piece("0", 2))])],
  ["a line without end", Buffer.alloc(10_000, "-")],
] as const)
  test(`an answer that is ${what} ends the connection, and nothing behind it counts`, async () => {
    let numAsked = 0;
    const port = await serve((_words, socket) => {
      if (++numAsked === 1) socket.write(nonsense);
      else socket.write(bulk(piece("0", 2)));
    });
    const lane = await laneTo(port);
    if (what === "two answers to one question") {
      const { into, refused } = await ask(lane, [["0", 1]]);
      assert.deepEqual(refused, []);
      assert.deepEqual(pieceAt(into, 0), piece("0", 1));
      assert.equal(lane.isReady, false);
      return;
    }
    const asked = [ask(lane, [["0", 1]]), ask(lane, [["0", 2]])];
    for (const { refused } of await Promise.all(asked)) {
      assert.equal(refused.length, 1);
      assert.match(refused[0]!.reason, new RegExp(`^${host}:${port}: an answer that is none`));
      assert.equal(refused[0]!.isLate, false);
    }
    assert.equal(lane.isReady, false);
  });

test("what is not answered in time is late, and its answer is never taken for another's", async () => {
  const answers: (() => void)[] = [];
  const port = await serve(([, key, first], socket) => {
    const answer = (): void => void socket.write(bulk(piece(key!, Number(first))));
    if (key === "1") answers.push(answer);
    else answer();
  });
  const lane = await laneTo(port, { timeout: 100 });
  const { refused } = await ask(lane, [["1", 5]]);
  assert.equal(refused.length, 1);
  assert.ok(refused[0]!.isLate);
  assert.match(refused[0]!.reason, /no answer within 100 ms/);
  for (const answer of answers) answer();
  while (!lane.isReady) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    await lane.open();
  }
  const { into, refused: none } = await ask(lane, [["0", 6]]);
  assert.deepEqual(none, []);
  assert.deepEqual(pieceAt(into, 0), piece("0", 6));
});

test("a lane that logs in is ready once it may read, and not if it may not", async () => {
  const port = await serve((words, socket) => {
    if (words[0] !== "AUTH") socket.write(bulk(piece(words[1]!, Number(words[2]))));
    else if (words[1] === "secret") setTimeout(() => socket.write("+OK\r\n"), 20);
    else socket.write("-WRONGPASS invalid password\r\n");
  });
  const lane = await laneTo(port, { password: "secret" });
  assert.ok(lane.isReady);
  const { into } = await ask(lane, [["4", 4]]);
  assert.deepEqual(pieceAt(into, 0), piece("4", 4));
  assert.equal((await laneTo(port, { password: "wrong" })).isReady, false);
});

test("where nobody listens there is no lane, and a closed one opens no more", async () => {
  const port = await serve(() => undefined);
  const lane = await laneTo(port);
  const asked = ask(lane, [["0", 0]]);
  lane.close();
  assert.match((await asked).refused[0]!.reason, /the store was closed/);
  await lane.open();
  assert.equal(lane.isReady, false);
  assert.equal((await laneTo(1)).isReady, false);
});
