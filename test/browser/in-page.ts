/**
 * What the conformance suites use of node:test, node:assert, node:v8 and node:vm, for a page: it takes their place in a
 * bundle, and `runAll` runs what was registered. Knows no test.
 */

type Body = (t: Context) => unknown;

interface Context {
  test(name: string, body: Body): Promise<void>;
}

interface Suite {
  readonly name: string;
  readonly before: Body[];
  readonly after: Body[];
  readonly parts: (Suite | { readonly name: string; readonly body: Body })[];
}

const root: Suite = { name: "", before: [], after: [], parts: [] };
let current = root;

export function describe(name: string, register: () => void): void {
  const suite: Suite = { name, before: [], after: [], parts: [] };
  current.parts.push(suite);
  const outer = current;
  current = suite;
  register();
  current = outer;
}

export function test(name: string, body: Body): void {
  current.parts.push({ name, body });
}

export const before = (body: Body): void => void current.before.push(body);
export const after = (body: Body): void => void current.after.push(body);

export interface PageResults {
  passed: number;
  readonly failures: string[];
}

/** Runs all tests, one after another. */
export async function runAll(): Promise<PageResults> {
  const results: PageResults = { passed: 0, failures: [] };
  const one = async (name: string, body: Body): Promise<void> => {
    try {
      await body({ test: (inner, part) => one(`${name} > ${inner}`, part) });
      results.passed++;
    } catch (error) {
      results.failures.push(`${name}: ${error instanceof Error ? error.stack : String(error)}`);
    }
  };
  const whole = async (suite: Suite, path: string): Promise<void> => {
    for (const body of suite.before) await one(`${path} before`, body);
    for (const part of suite.parts)
      if ("body" in part) await one(`${path} > ${part.name}`, part.body);
      else await whole(part, `${path} > ${part.name}`);
    for (const body of suite.after) await one(`${path} after`, body);
  };
  await whole(root, "");
  return results;
}

export class AssertionError extends Error {
  constructor({ message }: { message: string }) {
    super(message);
  }
}

function check(holds: boolean, message: string): void {
  if (!holds) throw new AssertionError({ message });
}

/** Plain data: numbers, texts, arrays and typed arrays of them. */
function isDeepEqual(one: unknown, other: unknown): boolean {
  if (Object.is(one, other)) return true;
  if (typeof one !== "object" || typeof other !== "object" || !one || !other) return false;
  if (Object.getPrototypeOf(one) !== Object.getPrototypeOf(other)) return false;
  const [a, b] = [one, other].map((of) => Object.entries(of)) as [Entries, Entries];
  return (
    a.length === b.length &&
    a.every(([key, value], i) => key === b[i]![0] && isDeepEqual(value, b[i]![1]))
  );
}

type Entries = [string, unknown][];
type Expected = (new (...args: never[]) => Error) | RegExp | ((error: unknown) => boolean);

function isExpected(error: unknown, expected: Expected | undefined): boolean {
  if (expected === undefined) return true;
  if (expected instanceof RegExp) return expected.test((error as Error).message);
  if (Error.isPrototypeOf(expected)) return error instanceof expected;
  return (expected as (error: unknown) => boolean)(error);
}

interface Assert {
  ok(value: unknown, message?: string): void;
  equal(a: unknown, b: unknown, message?: string): void;
  notEqual(a: unknown, b: unknown): void;
  deepEqual(a: unknown, b: unknown, message?: string): void;
  throws(call: () => unknown, expected?: Expected): void;
  rejects(call: Promise<unknown> | (() => Promise<unknown>), expected?: Expected): Promise<void>;
}

const assert: Assert = {
  ok: (value: unknown, message = "expected a value that holds") => check(Boolean(value), message),
  equal: (a: unknown, b: unknown, message = `${String(a)} is not ${String(b)}`) =>
    check(Object.is(a, b), message),
  notEqual: (a: unknown, b: unknown) => check(!Object.is(a, b), `both are ${String(a)}`),
  deepEqual: (a: unknown, b: unknown, message = "they differ") => check(isDeepEqual(a, b), message),
  throws(call: () => unknown, expected?: Expected) {
    try {
      call();
    } catch (error) {
      return check(isExpected(error, expected), `another error: ${String(error)}`);
    }
    check(false, "nothing was thrown");
  },
  async rejects(call: Promise<unknown> | (() => Promise<unknown>), expected?: Expected) {
    try {
      await (typeof call === "function" ? call() : call);
    } catch (error) {
      return check(isExpected(error, expected), `another error: ${String(error)}`);
    }
    check(false, "nothing was thrown");
  },
};

// oxlint-disable-next-line import/no-default-export -- as node:assert/strict has it
export default assert;

export function setFlagsFromString(): void {}

/** Of "gc": Chromium has it where it was started with the flag. */
export function runInNewContext(name: string): unknown {
  return (globalThis as Record<string, unknown>)[name];
}

// As the engine's own module finds it where pages are not isolated.
(globalThis as { SharedArrayBuffer?: unknown }).SharedArrayBuffer ??= new WebAssembly.Memory({
  initial: 0,
  maximum: 0,
  shared: true,
}).buffer.constructor;
