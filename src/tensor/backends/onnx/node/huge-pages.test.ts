import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { koffi } from "./ffi.ts";
import { addedMemory, type MemoryRange, mergePages, ownMemory } from "./huge-pages.ts";

const MIB = 2 ** 20;

/** In KiB: what the kernel says of the memory that holds address `at`. */
function kernelSays(at: bigint, what: "Rss" | "AnonHugePages"): number {
  for (const part of readFileSync("/proc/self/smaps", "utf8").split(/\n(?=[0-9a-f]+-[0-9a-f]+ )/)) {
    const [start, end] = part
      .slice(0, part.indexOf(" "))
      .split("-")
      .map((word) => BigInt(`0x${word}`));
    if (at < start! || at >= end!) continue;
    return Number(new RegExp(`^${what}: +(\\d+)`, "m").exec(part)![1]);
  }
  throw new Error("no memory there");
}

function rangeOf(bytes: Uint8Array): MemoryRange {
  const start = koffi.address(bytes) as bigint;
  return { start, end: start + BigInt(bytes.length) };
}

const range = (start: number, end: number): MemoryRange => ({
  start: BigInt(start),
  end: BigInt(end),
});

test("added memory is what was not there before, of ranges that grew, joined or are new", () => {
  const before = [range(10, 20), range(30, 40), range(60, 70)];
  const now = [range(5, 50), range(60, 70), range(80, 90)];
  assert.deepEqual(addedMemory(before, now), [
    range(5, 10),
    range(20, 30),
    range(40, 50),
    range(80, 90),
  ]);
});

const isOff = ownMemory().length === 0 && "this system has no huge pages, or they are switched off";

test(
  "a library's memory that is in use is moved into huge pages, and holds what it held",
  {
    skip: isOff,
  },
  async () => {
    const bytes = new Uint8Array(16 * MIB);
    for (let i = 0; i < bytes.length; i++) bytes[i] = i % 251;
    const own = rangeOf(bytes);
    assert.ok(ownMemory().some(({ start, end }) => start <= own.start && end >= own.end));
    const before = kernelSays(own.start, "AnonHugePages");
    const made = await mergePages([own]);
    assert.ok(made >= 6, `${made} pages`);
    assert.ok(kernelSays(own.start, "AnonHugePages") - before >= 6 * 2048);
    assert.ok(bytes.every((byte, i) => byte === i % 251));
  },
);

test("memory that is not in use as a whole stays as it is", { skip: isOff }, async () => {
  const bytes = new Uint8Array(16 * MIB);
  // Every second page of 4 KiB.
  for (let i = 0; i < bytes.length; i += 8192) bytes[i] = 1;
  const before = kernelSays(rangeOf(bytes).start, "Rss");
  assert.equal(await mergePages([rangeOf(bytes)]), 0);
  assert.ok(kernelSays(rangeOf(bytes).start, "Rss") - before < 1024);
});
