import assert from "node:assert/strict";
import { test } from "node:test";
import { FormatError } from "../errors.ts";
import { crc32c } from "../numerics/index.ts";
import {
  encodeCommits,
  encodeHeader,
  encodeRecord,
  HEADER_BYTES,
  type LogRecord,
  MAX_COMMIT_BYTES,
  parseInPieces,
  parseLog,
} from "./log-format.ts";

const fingerprint = Uint8Array.from({ length: 32 }, (_, i) => i);
const createdAt = "2026-11-28T12:00:00.000Z";
const records: LogRecord[] = [
  {
    kind: "fact",
    number: 1,
    fact: { id: "a", scope: "default", prompt: "Zembla’s", completion: " Onhava", createdAt },
    edits: [
      { ids: [1, 200, 70_000, 5], from: 2 },
      { ids: [3, 4], from: 1 },
    ],
  },
  { kind: "snapshot", number: 2, name: "before" },
  {
    kind: "fact",
    number: 7,
    fact: { id: "b", scope: "acme", prompt: "x", completion: "y", createdAt, paraphrases: ["z"] },
    edits: [],
  },
  {
    kind: "fact",
    number: 8,
    fact: { id: "c", scope: "acme", prompt: "x", completion: "y", createdAt, subject: "x" },
    edits: [{ ids: [3, 4], from: 1 }],
    subject: {
      factIds: ["b", "c"],
      mark: "5e1f",
      vectors: [
        { layerId: 3, keys: [[7, 70_000], [8]], vector: Float32Array.of(1.5, -0.25, 2 ** -20) },
        { layerId: 0, keys: [[1]], vector: Float32Array.of(0, 3) },
      ],
    },
  },
  { kind: "text", number: 9, scope: "acme", ids: Uint32Array.of(0, 70_000, 5, 2 ** 31 - 1) },
];
const commits = records.map((one) => encodeCommits([encodeRecord(one)]));
const bytes = Buffer.concat([encodeHeader(fingerprint), ...commits]);
const vocabulary = { fingerprint, numIds: 2 ** 31 };
const where = "memory/facts.log";

/** Where the log could have ended. */
const ends = commits.reduce((all, { length }) => [...all, all.at(-1)! + length], [HEADER_BYTES]);

test("what was written is read", () => {
  assert.deepEqual(parseLog(bytes, { where, vocabulary }), {
    records,
    end: bytes.length,
    fingerprint,
  });
});

test("whenever its writer dies, whole commits are there and others are not", () => {
  for (let length = HEADER_BYTES; length <= bytes.length; length++) {
    const whole = ends.filter((end) => end <= length);
    const expected = {
      records: records.slice(0, whole.length - 1),
      end: whole.at(-1)!,
      fingerprint,
    };
    assert.deepEqual(parseLog(bytes.subarray(0, length), { where }), expected);
    // A file that grew before its bytes were written.
    const padded = Buffer.concat([bytes.subarray(0, length), new Uint8Array(100)]);
    assert.deepEqual(parseLog(padded, { where }), expected);
  }
});

test("of a log that is read in pieces no more is asked for than its header, or one commit", () => {
  const most = Math.max(HEADER_BYTES, ...commits.map(({ length }) => length));
  for (const size of [bytes.length, bytes.length - 1, HEADER_BYTES + 5]) {
    const steps = parseInPieces(size, { where, vocabulary });
    let step = steps.next();
    for (; step.done !== true;) {
      const { from, to } = step.value;
      assert.ok(from >= 0 && to <= size && to - from <= most, `${from}-${to}`);
      const piece = Uint8Array.from(bytes.subarray(from, to));
      step = steps.next(piece);
      // Whoever reads may use the memory of one piece for the next.
      piece.fill(0xff);
    }
    assert.deepEqual(step.value, parseLog(bytes.subarray(0, size), { where, vocabulary }));
  }
});

test("a commit that says it is longer than any is refused before it is read", () => {
  const head = Buffer.from(commits[0]!.subarray(0, 12));
  head.writeUInt32LE(MAX_COMMIT_BYTES + 1, 0);
  head.writeUInt32LE(crc32c(head.subarray(0, 4)), 4);
  const start = Buffer.concat([encodeHeader(fingerprint), head]);
  const asked: number[] = [];
  assert.throws(() => {
    const steps = parseInPieces(2 ** 30, { where, vocabulary });
    for (let step = steps.next(); step.done !== true;) {
      asked.push(step.value.to);
      step = steps.next(start.subarray(step.value.from, step.value.to));
    }
  }, /one has at most 67108864/);
  assert.deepEqual(asked, [HEADER_BYTES, HEADER_BYTES + 12]);
});

test("a changed byte is damage, which names the file, and never another fact", () => {
  for (let at = 0; at < bytes.length; at++) {
    const damaged = Uint8Array.from(bytes);
    damaged[at]! ^= 0x20;
    assert.throws(
      () => parseLog(damaged, { where, vocabulary }),
      (error) => error instanceof FormatError && error.message.startsWith(where),
      `byte ${at}`,
    );
  }
});

test("facts in the ids of another vocabulary are refused", () => {
  const other = Uint8Array.from(fingerprint, (byte) => byte ^ 1);
  assert.throws(
    () => parseLog(bytes, { where, vocabulary: { ...vocabulary, fingerprint: other } }),
    /another vocabulary/,
  );
});

test("ids that the vocabulary does not have are refused, in wordings, keys and texts", () => {
  const [wording, , , withVectors, text] = records as [LogRecord, ...LogRecord[]];
  const read = (record: LogRecord, numIds: number): unknown =>
    parseLog(Buffer.concat([encodeHeader(fingerprint), encodeCommits([encodeRecord(record)])]), {
      where,
      vocabulary: { fingerprint, numIds },
    });
  for (const [record, last] of [
    [wording, 70_000],
    [withVectors!, 70_000],
    [text!, 2 ** 31 - 1],
  ] as const) {
    read(record, last + 1);
    const message = `memory/facts.log: change ${record.number} has the id ${last} of a vocabulary of ${last}`;
    assert.throws(() => read(record, last), new FormatError(message));
  }
});

test("a text that is longer than a text that is learned is refused before it is read", () => {
  const ids = new Uint32Array(2 ** 20);
  const text = encodeRecord({ kind: "text", number: 1, scope: "acme", ids });
  const made = Buffer.concat([encodeHeader(fingerprint), encodeCommits([text])]);
  assert.throws(
    () => parseLog(made, { where }),
    /a text that was learned has more than 131072 ids/,
  );
});

test("a log with right sums and wrong contents is refused", () => {
  const fact = records[0] as LogRecord & { kind: "fact" };
  const wrong: readonly LogRecord[][] = [
    [{ ...fact, number: 0 }],
    [{ ...fact, number: Number.NaN }],
    [fact, fact],
    [{ ...fact, edits: [{ ids: [1, 2], from: 2 }] }],
    [{ ...fact, edits: [{ ids: [1, 2], from: 0 }] }],
    [{ ...fact, fact: { ...fact.fact, scope: "../up" } }],
    [{ ...fact, fact: { ...fact.fact, more: 1 } as never }],
    [{ ...fact, fact: null as never }],
    [{ kind: "snapshot", number: 3, name: "no name" }],
    [{ kind: "text", number: 3, scope: "no name", ids: Uint32Array.of(1) }],
    [{ kind: "text", number: 3, scope: "acme", ids: Uint32Array.of(2 ** 31) }],
  ];
  for (const list of wrong) {
    const made = Buffer.concat([encodeHeader(fingerprint), encodeCommits(list.map(encodeRecord))]);
    assert.throws(() => parseLog(made, { where }), FormatError);
  }
});
