import assert from "node:assert/strict";
import test from "node:test";
import { byteSize, decimal } from "./arguments.ts";

test("an amount of memory is read in the units that people write, and its own print is read back", () => {
  for (const [text, bytes] of [
    ["512MiB", 536_870_912],
    ["1.5GiB", 1_610_612_736],
    ["2GB", 2_000_000_000],
    ["64 KiB", 65_536],
    ["536870912", 536_870_912],
  ] as const)
    assert.equal(byteSize.parse(text), bytes, text);
});

test("what is no amount of memory is refused with an example", () => {
  for (const text of ["", "0", "-1MiB", "2gib", "MiB", "1e9", "half", "99999999TiB"]) {
    const { success, error } = byteSize.safeParse(text);
    assert.equal(success, false, text);
    assert.match(error!.message, /such as 512MiB or 2GB/);
  }
});

test("a decimal number is finite, whatever its bounds", () => {
  assert.equal(decimal(0, Infinity).parse("1e308"), 1e308);
  for (const text of ["1e309", "Infinity", "NaN", "-1"]) {
    const { success, error } = decimal(0, Infinity).safeParse(text);
    assert.equal(success, false, text);
    assert.ok(error!.message.includes(`expected a number of at least 0, got \\"${text}\\"`), text);
  }
});
