#!/usr/bin/env node
/** `npx engram-lm`: the `engram` command, which without a word does what `npm start` does. */
if (process.argv.length === 2) process.argv.push("start");
await import("./main.ts");
