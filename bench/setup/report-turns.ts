/**
 * Loaded into a server before it starts (`--import`): writes to stderr how many milliseconds of processor time each longer
 * turn of its event loop took. Unlike the time on a clock, that is nearly the same on a busy machine.
 */
import { isMainThread } from "node:worker_threads";

const SHORT_MS = 2;

if (isMainThread) {
  let before = process.threadCpuUsage();
  setInterval(() => {
    const { user, system } = process.threadCpuUsage(before);
    before = process.threadCpuUsage();
    const took = (user + system) / 1000;
    if (took > SHORT_MS) process.stderr.write(`turn of ${took.toFixed(1)} ms\n`);
  }, 1).unref();
}
