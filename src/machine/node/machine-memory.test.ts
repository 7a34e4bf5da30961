/** Other machines' files, as kernels write them. */
import assert from "node:assert/strict";
import test from "node:test";
import { readMachineMemory } from "./index.ts";

const meminfo = "MemTotal:       16384000 kB\nMemFree: 1 kB\nMemAvailable:    8192000 kB\n";

function machine(files: Record<string, string>) {
  return readMachineMemory({ read: (path) => ({ "/proc/meminfo": meminfo, ...files })[path] });
}

test("without control groups the kernel's estimate counts", () => {
  assert.deepEqual(machine({ "/proc/self/cgroup": "0::/\n" }), {
    totalBytes: 16_384_000 * 1024,
    availableBytes: 8_192_000 * 1024,
  });
});

test("a group's limit counts, less what it uses but for files it can give back", () => {
  const found = machine({
    "/proc/self/cgroup": "0::/app\n",
    "/sys/fs/cgroup/app/memory.max": "1000000\n",
    "/sys/fs/cgroup/app/memory.current": "700000\n",
    "/sys/fs/cgroup/app/memory.stat": "anon 1\nfile 500000\ninactive_file 400000\nactive_file 5\n",
  });
  assert.equal(found.limitBytes, 1_000_000);
  assert.equal(found.availableBytes, 700_000);
});

test("a limit higher up, of a group around the program's own, counts as well", () => {
  const found = machine({
    "/proc/self/cgroup": "0::/slice/unit\n",
    "/sys/fs/cgroup/slice/unit/memory.max": "max\n",
    "/sys/fs/cgroup/slice/memory.max": "2000000\n",
    "/sys/fs/cgroup/slice/memory.current": "2500000\n",
  });
  assert.equal(found.limitBytes, 2_000_000);
  assert.equal(found.availableBytes, 0);
});

test("groups of version 1 count, also where only the root is to be seen", () => {
  const found = machine({
    "/proc/self/cgroup": "9:cpu:/docker/abc\n4:hugetlb,memory:/docker/abc\n0::/\n",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes": "3000000\n",
    "/sys/fs/cgroup/memory/memory.usage_in_bytes": "1500000\n",
    "/sys/fs/cgroup/memory/memory.stat": "inactive_file 1\ntotal_inactive_file 500000\n",
  });
  assert.equal(found.limitBytes, 3_000_000);
  assert.equal(found.availableBytes, 2_000_000);
});

test("a limit above what the machine has is none", () => {
  const found = machine({
    "/proc/self/cgroup": "4:memory:/\n",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
    "/sys/fs/cgroup/memory/memory.usage_in_bytes": "1\n",
  });
  assert.deepEqual(Object.keys(found), ["totalBytes", "availableBytes"]);
});

test("the machine at hand has memory", () => {
  const { totalBytes, availableBytes } = readMachineMemory();
  assert.ok(availableBytes > 0 && availableBytes <= totalBytes);
});
