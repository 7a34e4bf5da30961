import assert from "node:assert/strict";
import test from "node:test";
import { byteSize, decimal, wholeNumber } from "./arguments.ts";

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

test("a number out of range is refused with the range", () => {
  for (const [schema, text, message] of [
    [wholeNumber(1), "0", "expected a whole number of at least 1"],
    [wholeNumber(2, 16), "17", "expected a whole number from 2 to 16"],
    [wholeNumber(2, 16), "1", "expected a whole number from 2 to 16"],
    [decimal(Number.MIN_VALUE, Infinity), "fast", "expected a number above 0"],
    [decimal(Number.MIN_VALUE, Infinity), "0", "expected a number above 0"],
    [decimal(0, 1), "2", "expected a number from 0 to 1"],
  ] as const)
    assert.deepEqual(
      schema.safeParse(text).error?.issues.map((issue) => issue.message),
      [`${message}, got "${text}"`],
    );
  assert.equal(wholeNumber(2, 16).parse("16"), 16);
  assert.equal(decimal(Number.MIN_VALUE, Infinity).parse("1e-300"), 1e-300);
});
