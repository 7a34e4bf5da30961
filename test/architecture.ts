/**
 * The architecture as rules over source files: who may import whom, and what no file may be. Works on
 * texts it is given, so that the rules can be tested on made-up trees; reads no disk.
 */

import {
  importTable,
  nestedEntryPoints,
  openToAll,
  packageHomes,
  platformChoosers,
} from "./import-table.ts";

export interface SourceFile {
  /** From the repository's root, with forward slashes: "src/memory/hash.ts". */
  readonly path: string;
  readonly text: string;
}

const lineLimit = 500;

/** Every breach of a rule, as "path: what", in the order of the files. */
export function findBreaches(files: readonly SourceFile[]): string[] {
  const paths = new Set(files.map(({ path }) => path));
  const breaches: string[] = [];
  for (const file of files) {
    const report = (what: string): void => void breaches.push(`${file.path}: ${what}`);
    checkName(file, report);
    checkText(file, report);
    if (file.path.startsWith("web/")) checkPage(file, report);
    if (!file.path.startsWith("src/")) continue;
    checkSource(file, report);
    if (!isTest(file.path)) checkImports(file, report);
  }
  for (const folder of foldersThatNeedAnIndex(files))
    if (!paths.has(`${folder}/index.ts`)) breaches.push(`${folder}: has no index.ts`);
  return breaches;
}

type Report = (what: string) => void;

function checkName({ path }: SourceFile, report: Report): void {
  const attic = path.split("/").find((part) => /^(utils?|helpers?|commons?|misc)(\.|$)/.test(part));
  if (attic !== undefined) report(`"${attic}" is no name: say what is in it`);
}

/** With a class of one letter each, so that neither this file nor another's scanner finds itself here. */
const openWork = /\b(?:T[O]DO|F[I]XME|X[X]X|H[A]CK)\b/;

const leftOut = /\b(?:test|it|describe|suite)\.(?:o[n]ly|t[o]do)\(|\bo[n]ly: true/g;

const unexplainedSkip =
  /\.s[k]ip\(\)|\bs[k]ip: true|\b(?:test|it|describe)\.s[k]ip\((?!\s*(["'`])(?:(?!\1).)*\()/g;

function checkText({ path, text }: SourceFile, report: Report): void {
  const [left] = openWork.exec(text) ?? [];
  if (left !== undefined) report(`${left} left in the code: do it, or write an issue`);
  if (!isTest(path)) return;
  for (const [call] of text.matchAll(leftOut)) report(`${call} leaves tests out`);
  for (const [call] of text.matchAll(unexplainedSkip))
    report(`${call} does not say why: it takes a reason, or a name with the reason in brackets`);
}

function checkSource({ path, text }: SourceFile, report: Report): void {
  const numLines = text.split("\n").length - 1;
  if (numLines > lineLimit) report(`${numLines} lines, the limit is ${lineLimit}`);
  // A test's sentences say what it is; any other file says so at its head.
  if (!isTest(path) && !/^(#!.*\n)?\s*\/[*/]/.test(text)) report("does not begin with a comment");
  if (/\/index(-\w+)?\.ts$/.test(path) && /[^\s;]/.test(withoutReExports(text)))
    report("an index.ts lists names and holds no logic");
}

function withoutReExports(text: string): string {
  return text
    .replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*/g, "")
    .replaceAll(/export (?:type )?(?:\{[^}]*\}|\*(?: as \w+)?) from "[^"]+";?/g, "");
}

interface Import {
  readonly target: string;
  /** Names that are not types; "*" for everything. Empty where only types cross. */
  readonly values: readonly string[];
}

function checkImports({ path, text }: SourceFile, report: Report): void {
  const mayUseNode = /\/node\/|^src\/cli\//.test(path);
  const from = unitOf(path);
  if (importTable[from] === undefined) report(`"${from}" is not in the import table`);
  for (const { target, values } of importsOf(text)) {
    if (target.startsWith("node:")) {
      if (!mayUseNode) report(`imports ${target} outside node/ and cli/`);
    } else if (!target.startsWith(".")) {
      const homes = packageHomes[packageOf(target)];
      if (homes === undefined)
        report(`imports ${target}, which is no package of ours or a Node module without "node:"`);
      else if (!homes.some((home) => path.startsWith(home)))
        report(`imports ${target}, which only ${homes.join(" and ")} may`);
    } else {
      const resolved = resolvePath(path, target);
      if (!resolved.startsWith("src/")) report(`imports ${resolved}, which is outside src`);
      else if (unitOf(resolved) !== from) checkCrossing({ path, from, resolved, values }, report);
      if (resolved.includes("/node/") && !mayUseNode && !platformChoosers.includes(path))
        report(`imports ${resolved}: only node/, cli/ and ${platformChoosers.join(", ")} may`);
    }
  }
}

/** Packages that end up in the page, or build it. */
const pagePackages: readonly string[] = ["svelte", "uplot"];
const pageBuilders: readonly string[] = ["vite", "@sveltejs/vite-plugin-svelte"];

/** The page is a client: of the library it may know the types of what is sent, and nothing that runs. */
function checkPage({ path, text }: SourceFile, report: Report): void {
  const numLines = text.split("\n").length - 1;
  if (numLines > lineLimit) report(`${numLines} lines, the limit is ${lineLimit}`);
  const isScript = path.endsWith(".ts") && !isTest(path);
  if (isScript && !/^\s*\/[*/]/.test(text)) report("does not begin with a comment");
  if (path.endsWith(".svelte") && !/^<script lang="ts">\n\s*\/\//.test(text))
    report("does not begin with a script that says what it is");
  if (isTest(path)) return;
  const packages = path === "web/vite.config.ts" ? pageBuilders : pagePackages;
  for (const { target, values } of importsOf(text)) {
    if (!target.startsWith(".")) {
      if (!packages.includes(packageOf(target)) && !packages.includes(target))
        report(`imports ${target}: the page may import ${packages.join(" and ")} only`);
      continue;
    }
    const resolved = resolvePath(path, target);
    if (resolved.startsWith("web/")) continue;
    if (!resolved.startsWith("src/")) report(`imports ${resolved}, which is neither web nor src`);
    else for (const name of values) report(`imports ${name} of ${resolved}: only types may cross`);
  }
}

function checkCrossing(
  edge: { path: string; from: string; resolved: string; values: readonly string[] },
  report: Report,
): void {
  const { from, resolved, values } = edge;
  const to = unitOf(resolved);
  if (openToAll.includes(to)) return;
  const allowed = importTable[from] ?? [];
  if (allowed.includes(resolved)) return;
  const isOpen = allowed.includes("*") || allowed.includes(to);
  const isTyped = allowed.includes(`type ${to}`);
  if (!isOpen && !isTyped) report(`imports ${resolved}: ${from} may not import ${to}`);
  else if (!isOpen)
    for (const name of values)
      if (!allowed.includes(`${to}.${name}`))
        report(`imports ${name} of ${resolved}: ${from} may import only types from ${to}`);
  const isEntry = !to.includes("/") && (to.endsWith(".ts") || resolved === `src/${to}/index.ts`);
  if (!isEntry && !nestedEntryPoints.includes(resolved))
    report(`imports ${resolved} past its folder's index.ts`);
}

/** Static, dynamic and side-effect imports and re-exports; comments are not read. */
export function importsOf(text: string): Import[] {
  const code = text.replaceAll(/\/\*[\s\S]*?\*\/|(^|\s)\/\/.*/g, "");
  const found: Import[] = [];
  const statement = /\b(?:import|export)\s+(type\s+)?([^;"']*?)\s*from\s*"([^"]+)"/g;
  for (const [, type, names, target] of code.matchAll(statement))
    found.push({ target: target!, values: type === undefined ? valuesIn(names!) : [] });
  for (const [, target] of code.matchAll(/\bimport\s*[(\s]\s*"([^"]+)"/g))
    found.push({ target: target!, values: ["*"] });
  return found;
}

function valuesIn(names: string): string[] {
  const [, listed] = /^\{([^}]*)\}$/.exec(names.trim()) ?? [];
  if (listed === undefined) return ["*"];
  return listed
    .split(",")
    .map((name) => name.trim().split(/\s+as\s+/)[0]!)
    .filter((name) => name !== "" && !name.startsWith("type "));
}

/** The folder directly below `src`, or the file at its root. */
function unitOf(path: string): string {
  return path.split("/")[1]!;
}

function packageOf(target: string): string {
  return target.split("/", target.startsWith("@") ? 2 : 1).join("/");
}

function resolvePath(from: string, target: string): string {
  const parts = from.split("/").slice(0, -1);
  for (const part of target.split("/"))
    if (part === "..") parts.pop();
    else if (part !== ".") parts.push(part);
  return parts.join("/");
}

function isTest(path: string): boolean {
  return path.endsWith(".test.ts");
}

/** Folders directly below `src`, and `node` folders: what is under others is their parent's affair. */
function foldersThatNeedAnIndex(files: readonly SourceFile[]): Set<string> {
  const folders = new Set<string>();
  for (const { path } of files) {
    const parts = path.split("/").slice(0, -1);
    if (parts[0] !== "src") continue;
    if (parts.length > 1) folders.add(parts.slice(0, 2).join("/"));
    if (parts.at(-1) === "node") folders.add(parts.join("/"));
  }
  return folders;
}
