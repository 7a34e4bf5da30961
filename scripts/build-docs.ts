/**
 * Makes the documentation's static folder: the markdown of this repository as it stands, and what each entry of the
 * package exports, with a search over both. It works below any path. A link without a target, a place in a page that is
 * not there, and an exported name without a description end it with an error. Has no text of its own.
 *
 *   node scripts/build-docs.ts [DIR]      default dist/site/docs, in the static site
 */
import "../bench/setup/command-line.ts";
import { globSync, readFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import {
  Application,
  Converter,
  type DeclarationReflection,
  type DocumentReflection,
  JSX,
  KindRouter,
  type RouterTarget,
} from "typedoc";

const root = fileURLToPath(new URL("..", import.meta.url));
const out = process.argv[2] ?? join(root, "dist", "site", "docs");

/** Groups of the sidebar in their order, and the files of each in theirs. */
const groups: Readonly<Record<string, readonly string[]>> = {
  Use: ["docs/guide.md", "docs/glossary.md", "docs/tasks.md", "docs/format.md", "assets/README.md"],
  "How it is made": ["ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"],
  Results: [
    "docs/results.md",
    "docs/results/*.md",
    "docs/results/studies/*.md",
    "docs/studies/README.md",
    "docs/log.md",
  ],
  Decisions: ["docs/decisions/*.md"],
};
const groupOf = new Map<string, string>();
for (const [group, patterns] of Object.entries(groups))
  for (const path of patterns.flatMap((pattern) => globSync(pattern, { cwd: root }).toSorted()))
    groupOf.set(path, group);

const { exports: entries } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  exports: Readonly<Record<string, string>>;
};
const sources = Object.values(entries)
  .filter((path) => path.endsWith(".js"))
  .map((path) => join(root, "src", `${basename(path, ".js")}.ts`));

const app = await Application.bootstrap({
  name: "engram-lm",
  readme: join(root, "README.md"),
  projectDocuments: [...groupOf.keys()].map((path) => join(root, path)),
  entryPoints: sources,
  tsconfig: join(root, "tsconfig.build.json"),
  // `npm run types` has done it.
  skipErrorChecking: true,
  // Where the sources lie is not known: a clone may have no remote, a package has no git.
  disableSources: true,
  excludeInternal: true,
  excludePrivate: true,
  sort: ["kind", "alphabetical-ignoring-documents"],
  sortEntryPoints: false,
  groupOrder: [...Object.keys(groups), "Modules"],
  navigation: { includeGroups: true },
  headings: { readme: false },
  useFirstParagraphOfCommentAsSummary: true,
  includeHierarchySummary: false,
  searchInComments: true,
  searchInDocuments: true,
  // Not every type that a signature names is exported.
  validation: { notExported: false, invalidLink: true, invalidPath: true },
  router: "by-file",
  customCss: join(root, "docs", "site.css"),
  hideGenerator: true,
});

/** Where a document is in the repository. */
function pathOf(document: DocumentReflection): string {
  return relative(root, document.project.files.getReflectionPath(document)!);
}

app.converter.on(Converter.EVENT_CREATE_DOCUMENT, (_, document) => {
  document.frontmatter["group"] = groupOf.get(pathOf(document));
  // The first heading says more than the name of the file.
  document.name = /^\s*# (.+)$/m.exec(document.content[0]!.text)?.[1] ?? document.name;
});

app.converter.on(Converter.EVENT_CREATE_PARAMETER, (_, parameter) => {
  if (parameter.name === "__namedParameters") parameter.name = "options";
});

/** Addresses that stay when a heading changes. */
class ByFile extends KindRouter {
  protected override getIdealBaseName(target: RouterTarget): string {
    const reflection = target as Parameters<KindRouter["getIdealBaseName"]>[0];
    if (!reflection.isDocument()) return super.getIdealBaseName(reflection);
    const path = pathOf(reflection).replace(/^docs\//, "");
    return join("documents", dirname(path), basename(path, ".md"));
  }
}
app.renderer.defineRouter("by-file", ByFile);

app.renderer.hooks.on("sidebar.begin", (context) =>
  JSX.createElement(
    "a",
    { href: context.relativeURL("../index.html"), class: "try" },
    "Try it in this browser",
  ),
);

/** Of its own, or of each way to call it. */
function isDescribed(name: DeclarationReflection): boolean {
  return [name, ...(name.signatures ?? [])].some((part) => part.hasComment());
}

const project = await app.convert();
if (project === undefined) process.exit(1);
for (const entry of project.children ?? [])
  for (const name of entry.children ?? [])
    if (!name.isReference() && !isDescribed(name))
      app.logger.error(`${entry.name} exports ${name.name}, which has no description`);
app.validate(project);
await app.generateDocs(project, out);
if (app.logger.hasErrors() || app.logger.hasWarnings()) process.exitCode = 1;
else console.log(out);
