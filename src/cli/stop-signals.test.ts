import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import test from "node:test";
import { stopSignalOf } from "./stop-signals.ts";

function made(): {
  process: EventEmitter & { stdout: EventEmitter; stderr: EventEmitter; exit(code: number): void };
  exits: number[];
  clock: { now: number };
  signal: AbortSignal;
} {
  const exits: number[] = [];
  const clock = { now: 5000 };
  const process = Object.assign(new EventEmitter(), {
    stdout: new EventEmitter(),
    stderr: new EventEmitter(),
    exit: (code: number) => void exits.push(code),
  });
  return { process, exits, clock, signal: stopSignalOf(process, () => clock.now) };
}

const failed = (code: string): Error => Object.assign(new Error(code), { code });

for (const [name, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129],
] as const)
  test(`${name} asks first, is not repeated within a second, and then ends the process`, () => {
    const { process, exits, clock, signal } = made();
    process.emit(name);
    assert.ok(signal.aborted);
    for (const after of [0, 50, 999]) {
      clock.now = 5000 + after;
      process.emit(name);
    }
    assert.deepEqual(exits, []);
    clock.now = 6000;
    process.emit(name);
    assert.deepEqual(exits, [code]);
  });

test("another signal within the second is the same wish", () => {
  const { process, exits, clock } = made();
  process.emit("SIGHUP");
  process.emit("SIGTERM");
  assert.deepEqual(exits, []);
  clock.now = 7000;
  process.emit("SIGTERM");
  assert.deepEqual(exits, [143]);
});

test("a reader that closes its pipe ends the process; one that goes with its terminal, or in a save, does not", () => {
  const { process, exits } = made();
  process.stdout.emit("error", failed("EIO"));
  process.stderr.emit("error", failed("EPIPE"));
  assert.deepEqual(exits, []);
  assert.throws(() => process.stdout.emit("error", failed("EBADF")), /EBADF/);
  process.stdout.emit("error", failed("EPIPE"));
  assert.deepEqual(exits, [0]);
  process.emit("SIGHUP");
  process.stdout.emit("error", failed("EPIPE"));
  process.stdout.emit("error", failed("EBADF"));
  assert.deepEqual(exits, [0]);
});
