/** Says when Node is too old for the package, before anything else is loaded: what is missing there fails later, with a stack. */

/** As in package.json. */
const oldest = "22.18";

/** What to tell whoever runs this Node; undefined if it will do. */
export function complaintAbout(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [oldestMajor = 0, oldestMinor = 0] = oldest.split(".").map(Number);
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return undefined;
  return `engram needs Node ${oldest} or later, and this is Node ${version}: install a newer one (https://nodejs.org)`;
}
