#!/usr/bin/env node
/** `npx engram-lm`: the `engram` command. Without arguments it runs `engram start`. */
if (process.argv.length === 2) process.argv.push("start");
await import("./main.ts");
